/** @file What must be equal for a comparison to be fair, checked on the records. */
import { canonicalJson } from '../cells/cell.ts';
import type { EvaluatedMethod } from '../cells/manifest.ts';
import type { PromptResults } from './results.ts';

/** Settings that decide how noise becomes an image, whatever the method; methods that differ in one are not compared like with like. */
const SAMPLING = [
  'sampler',
  'steps',
  'guidanceScale',
  'eta',
  'width',
  'height',
  'frames',
  'sharedNoise',
  'rng',
] as const;

/** Places that a line names before it only counts. */
const NAMED = 5;

/** A setting that several methods have, and its value for each. */
export interface SharedSetting {
  readonly key: string;
  /** By label; absent where the method has no such setting. */
  readonly values: Readonly<Record<string, string>>;
  readonly isEqual: boolean;
}

/** The settings that at least two methods have, or that decide the sampling. */
export function sharedSettings(methods: readonly EvaluatedMethod[]): SharedSetting[] {
  const keys = [...new Set(methods.flatMap(({ settings }) => Object.keys(settings)))];
  return keys.flatMap((key) => {
    const having = methods.filter(({ settings }) => Object.hasOwn(settings, key));
    const isSampling = SAMPLING.some((name) => name === key);
    if (having.length < 2 && !isSampling) return [];
    const values = Object.fromEntries(
      having.map(({ label, settings }) => [label, canonicalJson(settings[key])]),
    );
    return [{ key, values, isEqual: new Set(Object.values(values)).size === 1 }];
  });
}

/** The settings of the sampling that differ between methods, each with its values and who has them: `steps: 50 (sd), 10 (sgool)`. */
export function samplingDifferences(
  methods: readonly EvaluatedMethod[],
): { readonly key: string; readonly text: string }[] {
  return sharedSettings(methods)
    .filter(({ key, isEqual }) => !isEqual && SAMPLING.some((name) => name === key))
    .map(({ key, values }) => {
      const labels = new Map<string, string[]>();
      for (const [label, value] of Object.entries(values)) {
        const text = value.replace(/^"(.*)"$/, '$1');
        labels.set(text, [...(labels.get(text) ?? []), label]);
      }
      const texts = [...labels].map(([value, having]) => `${value} (${having.join(', ')})`);
      return { key, text: `${key}: ${texts.join(', ')}` };
    });
}

/** One line for each setting of the sampling that differs between methods, for a report. */
export function samplingLines(methods: readonly EvaluatedMethod[]): string[] {
  return samplingDifferences(methods).map(
    ({ key, text }) =>
      `The methods differ in ${text}; differences between these methods are also differences of ${key}.`,
  );
}

/** Prompts and seeds whose finished methods began with different noise, and how many could be compared. */
export function noiseDifferences(prompts: readonly PromptResults[]): {
  readonly checked: number;
  readonly differing: readonly string[];
} {
  let checked = 0;
  const differing: string[] = [];
  for (const { suite, id, byMethod } of prompts) {
    const noises = new Map<string, string[]>();
    for (const cells of byMethod.values()) {
      for (const { seed, cell } of cells) noises.set(seed, [...(noises.get(seed) ?? []), cell.noise]);
    }
    for (const [seed, hashes] of noises) {
      if (hashes.length < 2) continue;
      checked++;
      if (new Set(hashes).size > 1) differing.push(`${suite} ${id} seed ${seed}`);
    }
  }
  return { checked, differing };
}

/** What the starting noise says: equal for all methods of a prompt and seed, or where it is not. */
export function noiseLine(prompts: readonly PromptResults[]): { isEqual: boolean; text: string } {
  const { checked, differing } = noiseDifferences(prompts);
  if (checked === 0) {
    return { isEqual: false, text: 'Starting noise: no prompt and seed has two finished methods yet.' };
  }
  if (differing.length === 0) {
    return {
      isEqual: true,
      text: `Starting noise: equal for all methods in each of ${checked} pairs of prompt and seed.`,
    };
  }
  const more = differing.length > NAMED ? ` and ${differing.length - NAMED} more` : '';
  return {
    isEqual: false,
    text: `Starting noise: differs between methods in ${differing.length} of ${checked} pairs of prompt and seed: ${differing.slice(0, NAMED).join(', ')}${more}. Their comparison is not one from the same noise.`,
  };
}
