/** @file The bootstrap for values with two kinds of luck at once: who was asked, and what about. */
import { mulberry32 } from '../mulberry32.ts';
import { type Interval, percentileInterval } from './bootstrap.ts';

/** Where a value stands: row and column from 0, such as rater and prompt. */
export interface CrossedPlace {
  readonly row: number;
  readonly column: number;
}

const RESAMPLES = 2000;

export interface CrossedOptions {
  readonly resamples?: number;
  readonly seed?: number;
}

/**
 * Draws rows with replacement, and columns, and gives every place the product of how often its row and its column were drawn. A
 * resample in which no place has a weight is drawn again.
 *
 * Reference: Owen 2007, "The pigeonhole bootstrap" (Annals of Applied Statistics 1). It never understates the variance of a mean,
 * and overstates the part that is neither of rows nor of columns.
 *
 * @param use receives the weights in the order of `places`; the array is used again
 */
export function crossedResamples(
  places: readonly CrossedPlace[],
  use: (weights: Float64Array) => void,
  { resamples = RESAMPLES, seed = 1 }: CrossedOptions = {},
): void {
  if (places.length === 0) return;
  const uniform = mulberry32(seed);
  const rows = new Float64Array(1 + places.reduce((most, { row }) => Math.max(most, row), 0));
  const columns = new Float64Array(1 + places.reduce((most, { column }) => Math.max(most, column), 0));
  const weights = new Float64Array(places.length);
  for (let done = 0; done < resamples; ) {
    draw(rows, uniform);
    draw(columns, uniform);
    let total = 0;
    for (let i = 0; i < places.length; i++) {
      const { row, column } = places[i];
      total += weights[i] = rows[row] * columns[column];
    }
    if (total === 0) continue;
    use(weights);
    done++;
  }
}

/** How often each of n is drawn in n draws. */
function draw(counts: Float64Array, uniform: () => number): void {
  counts.fill(0);
  for (let i = 0; i < counts.length; i++) counts[Math.floor(uniform() * counts.length)]++;
}

/** The 95% interval of the mean of crossed values. Undefined for none. */
export function crossedInterval(
  values: readonly (CrossedPlace & { readonly value: number })[],
  options?: CrossedOptions,
): Interval | undefined {
  if (values.length === 0) return undefined;
  const means: number[] = [];
  crossedResamples(
    values,
    (weights) => {
      let [total, weight] = [0, 0];
      for (let i = 0; i < values.length; i++) {
        total += weights[i] * values[i].value;
        weight += weights[i];
      }
      means.push(total / weight);
    },
    options,
  );
  return percentileInterval(Float64Array.from(means));
}
