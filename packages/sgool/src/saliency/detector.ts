/** @file The one interface of all saliency detectors, and the pictures and maps they speak in. */

/** An 8-bit RGB picture: `data` holds `height·width·3` values, row by row. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A saliency map of a picture's size, row by row, every value in [0, 1]. */
export interface SaliencyMap {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** Says where in a picture the eye goes. */
export interface Detector {
  readonly name: string;
  /** The map of `image`, at its size. */
  map(image: Picture): Promise<SaliencyMap>;
}
