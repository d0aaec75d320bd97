/** @file Means of losses, part by part: over the results of a sampler, over the frames of a clip. */
import { CLIP_LOSS_PARTS, LOSS_PARTS, type LossParts } from './iteration.ts';

/** A loss without its total. */
export type PartsOfLoss = Omit<LossParts, 'total' | 'compared'>;

/** The weighted mean of losses. A part that some do not have is the mean over those that have it. */
export function meanParts(losses: readonly PartsOfLoss[], weights: readonly number[]): PartsOfLoss {
  const [first] = losses;
  return {
    ...partsOf(losses, weights, [...LOSS_PARTS, ...CLIP_LOSS_PARTS]),
    ...(first?.scorers && {
      scorers: first.scorers.map((scorer, k) => {
        const having = losses.flatMap(({ scorers }, i) =>
          scorers?.[k] ? [[scorers[k], weights[i]] as const] : [],
        );
        const own = having.map(([one]) => one);
        return {
          ...scorer,
          ...partsOf(
            own,
            having.map(([, weight]) => weight),
            LOSS_PARTS,
          ),
        };
      }),
    }),
  };
}

/** The means of the parts that there are. */
function partsOf<Part extends string>(
  losses: readonly Readonly<Partial<Record<Part, number>>>[],
  weights: readonly number[],
  parts: readonly Part[],
) {
  return Object.fromEntries(
    parts.flatMap((part) => {
      const value = meanOf(losses, weights, (loss) => loss[part]);
      return value === undefined ? [] : [[part, value]];
    }),
  );
}

/** Mean of the numbers that there are, undefined where there are none. */
function meanOf<T>(
  all: readonly T[],
  weights: readonly number[],
  of: (one: T) => number | undefined,
): number | undefined {
  let [sum, total] = [0, 0];
  all.forEach((one, i) => {
    const value = of(one);
    if (value === undefined) return;
    sum += weights[i] * value;
    total += weights[i];
  });
  return total === 0 ? undefined : sum / total;
}
