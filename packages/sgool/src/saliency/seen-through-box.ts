/** @file A map as it is seen through a box, at a fixed size: so that a thing can be compared with itself where it has moved or grown. */
import type { ImageSize } from '../image/image.ts';
import { resampleMatrix, resamplePlane } from '../image/resample.ts';
import type { Region } from './regions.ts';

/** Samples along each side of a box. */
const SIDE = 16;

/** A box as a linear map, and its transpose. */
export interface BoxView {
  /** `[height, width]` of the image to `[16, 16]`. */
  seen(map: Float32Array): Float32Array;
  /** Adds `scale` times the transpose of `seen` of some numbers. */
  addBack(into: Float64Array, part: Float64Array, scale: number): void;
}

/** @param size of the map, in which the box lies */
export function seenThroughBox({ left, top, width, height }: Region, size: ImageSize): BoxView {
  const filter = 'bilinear';
  const rows = resampleMatrix(size.height, SIDE, { filter, box: [top, top + height] });
  const columns = resampleMatrix(size.width, SIDE, { filter, box: [left, left + width] });
  return {
    seen: (map) => resamplePlane(map, size.width, rows, columns),
    addBack(into, part, scale) {
      const back = resamplePlane(
        Float32Array.from(part),
        SIDE,
        transposed(rows, size.height),
        transposed(columns, size.width),
      );
      for (let i = 0; i < into.length; i++) into[i] += scale * back[i];
    },
  };
}

/** @param matrix `[SIDE, length]` */
const transposed = (matrix: Float32Array, length: number): Float32Array =>
  Float32Array.from(matrix, (_, i) => matrix[(i % SIDE) * length + Math.floor(i / SIDE)]);
