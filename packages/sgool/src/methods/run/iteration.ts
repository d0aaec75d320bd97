/** @file What a run yields, and how it reports where it is. */
import type { Image } from '../../image/image.ts';
import type { NoiseTests } from '../../random/noise-tests.ts';
import type { Seed } from '../../random/seed.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import type { Region } from '../../saliency/regions.ts';

/**
 * Where a run stands between two iterations: everything that the rest of it depends on beside the model and the request. Plain data and
 * typed arrays, a few times the size of the latent.
 */
export interface MethodState {
  readonly method: string;
  /** The seed of the run, which a request with seed -1 does not say. */
  readonly seed: Seed;
  /** The iteration that comes next. */
  readonly iteration: number;
  /** States of the parts of the run, by name. */
  readonly parts: Readonly<Record<string, unknown>>;
}

/** Loss of an iteration; absent for methods without one (plain generation). Lower is better. */
export interface LossParts {
  /** By the cutouts and regions of this iteration; of an optimiser that compares its steps, of its last gradient. */
  readonly total: number;
  /** The total by cutouts that are the same in all iterations, where images are compared by it (keep `loss`, patience). */
  readonly compared?: number;
  /** Of the whole image: by CLIP its spherical distance to the prompt; of several scorers their weighted sum. */
  readonly whole?: number;
  /** The same of random cutouts of the image, which then take the place of the whole: of the best one, or their mean. */
  readonly cutouts?: number;
  /** The same of the salient regions and their text, mean over the regions. */
  readonly regions?: number;
  /** Of the motion of a clip: how far it lies outside of a band around that of the plain clip. Not weighted. */
  readonly motion?: number;
  /** Of a clip, not weighted: how far the cosines of neighbouring frames lie below that of the plain clip, by the CLIP that guides; mean over pairs. */
  readonly consistency?: number;
  /** Of a clip, not weighted: one minus the correlation of the saliency of things in neighbouring frames; mean over pairs. */
  readonly saliency?: number;
  /** Of each scorer of the objective. */
  readonly scorers?: readonly ScorerLoss[];
}

/** What of a clip as a whole a loss is of. */
export const CLIP_LOSS_PARTS = ['motion', 'consistency', 'saliency'] as const;

/** What of an image a loss is of. */
export const LOSS_PARTS = ['whole', 'cutouts', 'regions'] as const;
export type LossPart = (typeof LOSS_PARTS)[number];

/** What one scorer says, as a loss: of a CLIP the spherical distance, of the others minus the score. */
export interface ScorerLoss {
  /** As `sgool evaluate` calls its score. */
  readonly name: string;
  /** Its weight in the objective. */
  readonly weight: number;
  /** Its scale: the spread of its loss over that of the first scorer's. The total holds `weight / unit` of its losses. */
  readonly unit: number;
  /** Of the whole image. */
  readonly whole?: number;
  /** Of random cutouts in its place. */
  readonly cutouts?: number;
  /** Of the salient regions, their mean. */
  readonly regions?: number;
}

/** What is said of a clip beside its scores. A frozen clip wins every consistency, so its motion stands beside it. */
export interface FramesReport {
  /** The lowest CLIP scores of its frames. */
  readonly least: Iteration['clip'];
  /** Mean cosine of neighbouring frames under the CLIP that guides; absent where the model lacks it. */
  readonly consistency?: number;
  /** Mean absolute difference of neighbouring frames: 0 (they stand still) to 1 (black and white in turn). */
  readonly motion: number;
  /**
   * Mean second difference of the centres of its salient things, as a share of its longer side; for methods that look for them. Absent where none
   * was found in three frames in a row.
   */
  readonly jitter?: number;
}

/** The result of an iteration. Iteration 0 is always the plain image, before any optimisation. */
export interface Iteration {
  /** 0 for the plain image, then one more for each update (for `best-of`: for each further seed; in the detail pass: for each region). */
  readonly iteration: number;
  /** Index of the last iteration of this run; of those before the detail pass, as long as its regions are not found. */
  readonly iterations: number;
  /**
   * The starting noise that makes this image, float64, `[channels, height, width]`; with `optimiseFrom` the latent behind the
   * first steps.
   */
  readonly latent: Float64Array;
  /** How far `latent` is from noise; absent where it is a later latent, which is none. */
  readonly noiseTests?: NoiseTests;
  /** The picture; of a clip its middle frame. */
  readonly image: Image;
  /** All frames of a clip, in order; absent for a picture. */
  readonly frames?: readonly Image[];
  /** Frames per second of a clip. */
  readonly fps?: number;
  readonly loss?: LossParts;
  /** What the scorers of the objective say of the whole image, by name; where it is selected by the objective. */
  readonly scores?: Readonly<Record<string, number>>;
  /**
   * CLIP scores, 100·cos, of the image and the target of the run (the prompt, unless it says otherwise): A guides, B only reports. Of a clip their
   * means over all frames.
   */
  readonly clip: { readonly A?: number; readonly B?: number };
  /** Of a clip. */
  readonly overFrames?: FramesReport;
  /** Score by the objective, for methods that select by it; more is better. */
  readonly objective?: number;
  /** The saliency map that this iteration's regions come from, for methods that use one. */
  readonly saliency?: SaliencyMap;
  /** Salient boxes in pixels of the image, most salient first. */
  readonly regions?: readonly Region[];
  /** UNet evaluations so far; one sample under one conditioning counts one, so a guided step counts two. */
  readonly evaluations: { readonly forward: number; readonly pullback: number };
  /** Wall time of this iteration and since the start of the run. */
  readonly seconds: { readonly iteration: number; readonly total: number };
  /** Whether this is the best iteration so far; the last one with this flag is the result. */
  readonly best: boolean;
  /** Seed of the noise that the run began with: the request's, or the one drawn for -1; `best-of`: of this image. */
  readonly seed: Seed;
}

/** Where a run is inside an iteration, for progress bars. */
export interface StepProgress {
  readonly iteration: number;
  readonly iterations: number;
  /** `encode`: from the frames of a given clip to its latent; `invert`: from a given image to its noise; `denoise`: from noise to the latent; `decode`: from that to the frames of a clip; `gradient`: the backward pass. */
  readonly phase: 'encode' | 'invert' | 'denoise' | 'decode' | 'gradient';
  /** Steps done of `steps`. */
  readonly step: number;
  readonly steps: number;
}

/** A run that computes nothing. */
export interface DryRunOptions {
  /** Called where the most is assumed: a real run takes no more evaluations than this one, and perhaps fewer. */
  onMost?(): void;
}

/** Options of a run. */
export interface RunOptions {
  /** Checked before each network call; a run that is aborted throws the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onStep?: (progress: StepProgress) => void;
  /** Given where nothing is computed: images hold nothing then, and of what would be found, the most is assumed. */
  readonly dryRun?: DryRunOptions;
  /** Called with a line about what was found, for the user. */
  readonly onNote?: (text: string) => void;
  /**
   * The starting noise, instead of that of the seed: `[channels, height, width]`, the result of another method. All else is drawn as
   * for the seed.
   */
  readonly noise?: Float64Array;
  /**
   * Goes on from here, with the same model and request, and gives the same numbers as the run that was left. Iterations before it are
   * not yielded again.
   */
  readonly state?: MethodState;
  /** Called between two iterations, and waited for: what `state` takes. */
  readonly onState?: (state: MethodState) => void | Promise<void>;
}
