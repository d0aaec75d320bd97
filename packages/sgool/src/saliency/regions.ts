/** A salient part of a picture: a box in whole pixels, inside the picture. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** Share of the map's total saliency that lies in the component this box was drawn around, in [0, 1]. */
  readonly mass: number;
}
