/**
 * @file Successive halving: candidates are compared on few prompts, the better half on more, until one is left.
 *
 * Reference: Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization".
 */
import { compareGroups, mean, standardDeviation } from 'sgool/evaluate';

/** Scores of one candidate on one image: by prompt and seed, as `key`. */
export interface Scored {
  readonly key: string;
  readonly scores: Readonly<Record<string, number | null>>;
}

/**
 * How far each image of a candidate is above the plain image of the same prompt and seed: the mean over scores of the difference,
 * in deviations of the plain images, so that scores of different scales weigh the same. Images without all scores are left out.
 *
 * @returns by key
 */
export function gains(
  images: readonly Scored[],
  plain: readonly Scored[],
  names: readonly string[],
): ReadonlyMap<string, number> {
  const valuesOf = (name: string) => plain.flatMap(({ scores }) => scores[name] ?? []);
  const deviations = new Map(names.map((name) => [name, standardDeviation(valuesOf(name)) || 1]));
  const before = new Map(plain.map(({ key, scores }) => [key, scores]));
  return new Map(
    images.flatMap(({ key, scores }) => {
      const parts = names.flatMap((name) => {
        const [a, b] = [before.get(key)?.[name], scores[name]];
        return typeof a === 'number' && typeof b === 'number' ? [(b - a) / (deviations.get(name) ?? 1)] : [];
      });
      return parts.length === names.length ? [[key, mean(parts)] as const] : [];
    }),
  );
}

/** With fewer pairs no test at 5% tells two candidates apart, however their differences are: 2 / 2^5 is above it. */
const FEWEST_PAIRS = 6;

/** A candidate with its gains so far. */
export interface Runner {
  readonly name: string;
  readonly gains: ReadonlyMap<string, number>;
}

/**
 * The candidates that go on to the next rung: the better half, without those that are clearly below the first (the 95% interval of
 * their paired differences excludes zero). One that has no gains, as all its images failed, is out.
 *
 * @returns names, the best first
 */
export function survivors(candidates: readonly Runner[]): string[] {
  const ranked = candidates
    .filter((candidate) => candidate.gains.size > 0)
    .toSorted((a, b) => mean([...b.gains.values()]) - mean([...a.gains.values()]));
  const [first] = ranked;
  return ranked
    .slice(0, Math.ceil(candidates.length / 2))
    .filter((candidate) => candidate === first || !isClearlyBelow(candidate, first))
    .map(({ name }) => name);
}

function isClearlyBelow(candidate: Runner, first: Runner): boolean {
  const differences = [...candidate.gains].flatMap(([key, gain]) => {
    const other = first.gains.get(key);
    return other === undefined ? [] : [[gain - other]];
  });
  return differences.length >= FEWEST_PAIRS && compareGroups(differences, 0).interval.high < 0;
}
