/** @file Parts of several losses, inside a trace. */
import { concat, slice, type Tensor } from '@sgool/autodiff';

/**
 * The maps of some words.
 *
 * @param maps [words, rows, columns]
 * @returns [indices, rows, columns]
 */
export function chosen(maps: Tensor, indices: readonly number[]): Tensor {
  return concat(
    indices.map((at) => slice(maps, [{ axis: 0, start: at, end: at + 1 }])),
    0,
  );
}

/** Both sides of some pairs, each [pairs, rows, columns]. */
export function sides(
  maps: Tensor,
  pairs: readonly (readonly [number, number])[],
): readonly [first: Tensor, second: Tensor] {
  return [
    chosen(
      maps,
      pairs.map(([first]) => first),
    ),
    chosen(
      maps,
      pairs.map(([, second]) => second),
    ),
  ];
}
