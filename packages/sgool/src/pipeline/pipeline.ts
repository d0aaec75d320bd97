/** @file A loaded model as methods use it: a backbone, critics, saliency detectors, and the programs that they share. */

import type { Denoiser } from '../diffusion/denoiser.ts';
import type { Image, ImageSize } from '../image/image.ts';
import type { Backbone, DenoiserOptions, PairedOptions } from '../models/backbone.ts';
import type { CrossAttention } from '../models/cross-attention.ts';
import type { ModelInfo } from '../models/model-info.ts';
import type {
  AttentionObjective,
  AttentionObjectiveOptions,
} from '../objectives/attention/attention-objective.ts';
import type { FrameFeatures } from '../objectives/frame-features.ts';
import type { Objective, ObjectiveParts } from '../objectives/objective.ts';
import type { ClipCritic } from '../preference/clip-critic.ts';
import type { ClipTarget } from '../preference/clip-target.ts';
import type { ObjectiveScorer } from '../preference/guide.ts';
import type { SaliencyChoice } from '../request/detectors.ts';
import type { ObjectiveItem } from '../request/objective-text.ts';
import type { Compute } from '../runtime/compute.ts';
import type { ProgramMeter } from '../runtime/program-cache.ts';
import type { Detector } from '../saliency/detector.ts';
import type { DetectorParts } from '../saliency/open-detector.ts';

/** CLIP scores, 100·cos, of an image and a prompt or a target: A guides, B only reports. Absent where the model lacks that CLIP. */
export interface ClipScores {
  readonly A?: number;
  readonly B?: number;
}

/** The networks that see frames. */
export type FrameNetworkName = 'clip' | 'transalnet';

/**
 * What an objective is made for.
 *
 * @interface
 */
export type ObjectiveOptions = ImageSize & Pick<ObjectiveParts, 'saturatedGradient' | 'parts'>;

/**
 * What a saliency model may need beside the networks.
 *
 * @interface
 */
export type DetectorOptions = Pick<DetectorParts, 'prompt' | 'mask' | 'random' | 'centreBias'>;

/** A loaded model. */
export interface Pipeline
  extends Pick<
    Backbone,
    'noisePath' | 'checkPrompt' | 'latentShape' | 'denoiser' | 'encode' | 'decode' | 'trainable'
  > {
  readonly model: ModelInfo;
  /** What its networks run on. */
  readonly compute: Compute;
  /**
   * The network's cross-attention under a prompt, for the options that its denoiser gets.
   *
   * @throws UserError where the model has no cross-attention, or the tokens of the prompt are not one row
   */
  crossAttention(options: DenoiserOptions): Promise<CrossAttention>;
  /**
   * Two prompts side by side, of which the attention of the second follows that of the first.
   *
   * @throws UserError where the model has no cross-attention, or the tokens of a prompt are not one row
   */
  pairedDenoiser(options: DenoiserOptions & PairedOptions): Promise<Denoiser>;
  /**
   * The loss of a noisy latent by the network's cross-attention.
   *
   * @throws UserError as `crossAttention` does, and where a word is not in the prompt, or the loss has no term for what is required
   */
  attentionObjective(
    options: DenoiserOptions,
    wanted: AttentionObjectiveOptions,
  ): Promise<AttentionObjective>;
  /** What its networks have cost since it was loaded, whichever run they worked for. */
  readonly meter: ProgramMeter;
  /** The CLIP that guides (folder `clip`). @throws UserError where the model has none */
  critic(): Promise<ClipCritic>;
  /** The CLIP that only reports (folder `clip_b`), where the model has one. */
  reporter(): Promise<ClipCritic | undefined>;
  /**
   * The scorers of an objective.
   *
   * @throws UserError where one is missing or broken, or is a verifier and those were not allowed
   */
  scorers(items: readonly ObjectiveItem[]): Promise<ObjectiveScorer[]>;
  /** The loss of a latent under scorers that guide. */
  objective(options: ObjectiveOptions): Promise<Objective>;
  /**
   * What a network sees in frames, with its pullback: the CLIP that guides, or TranSalNet.
   *
   * @throws UserError where the model lacks it
   */
  frameFeatures(network: FrameNetworkName, size: ImageSize): Promise<FrameFeatures>;
  /** @param target plain text (`parsePrompt(...).text` gives that of a prompt with weights and tags), or a text with target images */
  score(image: Image, target: string | ClipTarget): Promise<ClipScores>;
  /**
   * A saliency detector by name.
   *
   * @param options.prompt the text whose evidence Grad-CAM shows; plain, as for `score`
   * @param options.mask the image of the `mask` detector
   * @param options.random the stream of the `random` detector; default one of its own, with seed 0
   * @param options.centreBias whether the map keeps its centre bias (default), or it is divided out
   * @throws UserError where the model lacks the network it needs
   */
  detector(name: SaliencyChoice, options?: DetectorOptions): Promise<Detector>;
  /** Frees all memory that the programs hold. */
  dispose(): Promise<void>;
}
