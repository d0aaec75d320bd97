/** @file Everything that a report says in numbers, as plain data: the content of `summary.json`. */
import type { Manifest, ScoreInfo, ScoreRole } from '../cells/manifest.ts';
import type { Interval } from '../statistics/bootstrap.ts';
import type { Curve } from './curves.ts';
import type { SharedSetting } from './fairness.ts';
import type { Place } from './results.ts';

/** Version of the summary. */
export const SUMMARY_FORMAT = 1;

/** The mean of a score over the finished cells of a method. Only for scores whose mean has a meaning. */
export interface MeanRow extends Place {
  readonly method: string;
  readonly score: string;
  readonly prompts: number;
  readonly images: number;
  /** Over prompts of the means over seeds. */
  readonly mean: number;
  /** 95%, prompts and seeds resampled; null for fewer than two prompts. */
  readonly interval: Interval | null;
}

/** What a comparison says: a method is better or worse where p after Holm is below 0.05 and the interval is on one side of 0. */
export type Outcome = 'better' | 'worse' | 'higher' | 'lower' | 'not told apart';

/** The paired differences of a method from another one. Only pairs of prompt and seed that both finished. */
export interface ComparisonRow extends Place {
  readonly method: string;
  /** The method that it is compared with. */
  readonly to: string;
  readonly score: string;
  /** What the score is to the method; only one that judges gives a result. */
  readonly role: ScoreRole;
  readonly prompts: number;
  readonly pairs: number;
  readonly difference: number;
  readonly interval: Interval | null;
  /** Wilcoxon signed-rank over prompts, two-sided. */
  readonly p: number;
  /** After Holm's correction over the methods of this place and score. */
  readonly pHolm: number;
  readonly wins: number;
  readonly ties: number;
  readonly losses: number;
  /** Cohen's d of the prompts' differences; null for one prompt or where all are equal. */
  readonly effectSize: number | null;
  /** Prompts that would show a difference of this size in four of five experiments; null where that is not known. */
  readonly promptsNeeded: number | null;
  readonly outcome: Outcome;
}

/** The best method on a score, among those that it may judge. */
export interface BestRow extends Place {
  readonly score: string;
  readonly method: string;
  /** Methods that are not told apart from it (Wilcoxon over prompts, Holm over methods). */
  readonly ties: readonly string[];
}

/** Means of one image. */
export interface CostRow {
  readonly method: string;
  readonly images: number;
  readonly forward: number;
  readonly pullback: number;
  readonly flops: number;
  readonly seconds: number;
  /** Divided by the mean of the reference; null where that is 0 or unknown. */
  readonly relative: {
    readonly calls: number | null;
    readonly flops: number | null;
    readonly seconds: number | null;
  };
}

/** How many plain images the best of which is as good, by the judge. */
export interface EquivalentRow extends Place {
  readonly method: string;
  readonly score: string;
  readonly n: number;
  /** Whether N is at least this: the method is beyond what search would reach. */
  readonly isAtLeast: boolean;
  /** 95% interval of N, prompts and seeds resampled, its ends up to a million; null for fewer than two prompts. */
  readonly interval: Interval | null;
  /** Of the method, in plain images, by FLOPs. */
  readonly cost: number | null;
  /** N over the cost: above 1 the method does what search would do for more. */
  readonly perCost: number | null;
  /** The interval of N over the cost. */
  readonly perCostInterval: Interval | null;
  /** Of the plain images: mean over prompts, and deviation within a prompt. */
  readonly plain: { readonly mean: number; readonly deviation: number };
}

/**
 * How a score agrees with the judge about the images of one prompt: what choosing by it is worth. The best of N by a score raises
 * the judge by r times what the judge's own best of N would.
 */
export interface AgreementRow extends Place {
  readonly score: string;
  readonly judge: string;
  /** Pearson's correlation within prompts. */
  readonly r: number;
  /** 95%, prompts resampled; null for fewer than two prompts. */
  readonly interval: Interval | null;
  readonly prompts: number;
  readonly images: number;
}

/** A method beside the search whose cost is nearest to its own. */
export interface EqualCostRow {
  readonly method: string;
  /** A method that only selects among plain images, or its first candidates. Absent where none was run. */
  readonly search?: string;
  /** Cost of the search over the cost of the method. */
  readonly ratio?: number;
  readonly isEqual: boolean;
}

export interface DiversityRow extends Place {
  readonly method: string;
  /** The network whose features are compared. */
  readonly network: string;
  readonly prompts: number;
  /** Mean pairwise cosine distance over the seeds of a prompt, mean over prompts. */
  readonly distance: number;
  readonly interval: Interval | null;
}

/** How far the noise of a method's results is from noise: means over its images, in standard deviations. */
export interface NoiseTestRow {
  readonly method: string;
  readonly images: number;
  /** Of the norm, and of the means of patches. */
  readonly norm: number;
  readonly patches: number;
  /** Share of the images whose noise is beyond two standard deviations in either test; of noise about one in eleven. */
  readonly beyond: number;
}

export interface MethodRow {
  readonly label: string;
  /** Present for a column that was not run: what the search `label` selects among its first `count` candidates. */
  readonly firstOf?: { readonly label: string; readonly count: number };
  readonly method: string;
  readonly guides: readonly string[];
  readonly selects: readonly string[];
  /** By score. */
  readonly roles: Readonly<Record<string, ScoreRole>>;
  readonly done: number;
  readonly failed: number;
  readonly missing: number;
}

export interface FailureRow {
  readonly suite: string;
  readonly prompt: string;
  readonly text: string;
  readonly method: string;
  readonly seed: string;
  readonly error: string;
  readonly attempts: number;
}

/** What a report says, in numbers. No value is NaN or infinite. */
export interface Summary {
  readonly format: number;
  readonly created: string;
  readonly command: string;
  readonly model: Manifest['model'];
  /** Whether a method makes clips. */
  readonly isOfClips: boolean;
  readonly reference: string;
  readonly methods: readonly MethodRow[];
  readonly scores: readonly (ScoreInfo & { readonly isHeadline: boolean; readonly judgesAll: boolean })[];
  /** Names of the scores that may judge every method; the first one decides. */
  readonly judges: readonly string[];
  readonly prompts: number;
  readonly seeds: number;
  readonly cells: { readonly total: number; readonly done: number; readonly failed: number };
  /** The answer in a few sentences. */
  readonly verdict: readonly string[];
  readonly means: readonly MeanRow[];
  readonly comparisons: readonly ComparisonRow[];
  /** Each method with the search of the nearest cost, by the judges. */
  readonly againstSearch: readonly ComparisonRow[];
  readonly best: readonly BestRow[];
  readonly cost: readonly CostRow[];
  readonly equalCost: readonly EqualCostRow[];
  readonly equivalent: readonly EquivalentRow[];
  readonly agreement: readonly AgreementRow[];
  readonly diversity: readonly DiversityRow[];
  readonly noiseTests: readonly NoiseTestRow[];
  readonly curves: readonly Curve[];
  readonly failures: readonly FailureRow[];
  /** Prompts that a score read only in part. */
  readonly truncated: readonly {
    readonly suite: string;
    readonly prompt: string;
    readonly scores: readonly string[];
  }[];
  readonly defects: readonly { readonly suite: string; readonly defect: string }[];
  readonly noise: { readonly isEqual: boolean; readonly text: string };
  /** One line each: what makes the comparison less fair than it looks, and what was left out. */
  readonly warnings: readonly string[];
  readonly settings: readonly SharedSetting[];
  /** Where the cells were made. */
  readonly machines: readonly string[];
  /** What could not be scored and why, with the number of cells. */
  readonly notes: readonly { readonly note: string; readonly cells: number }[];
}
