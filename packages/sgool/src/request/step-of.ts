/** @file Places in a chain of steps. */

/** The step that a place in a chain names: below 1 it is a share of the steps, from 1 on the step itself. */
export function stepOf(place: number, steps: number): number {
  // But for the rounding of the product.
  return place < 1 ? Math.floor(place * steps + 1e-9) : place;
}
