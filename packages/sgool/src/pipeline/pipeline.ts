/** @file A loaded model as methods use it: a backbone, critics, saliency detectors, and the programs that they share. */
import type { Image, ImageSize } from '../image/image.ts';
import type { Backbone, DenoiserOptions } from '../models/backbone.ts';
import type { CrossAttention } from '../models/cross-attention.ts';
import type { ModelInfo } from '../models/model-info.ts';
import type { Objective, ObjectiveParts } from '../objectives/objective.ts';
import type { ClipCritic } from '../preference/clip-critic.ts';
import type { ClipTarget } from '../preference/clip-target.ts';
import type { SaliencyName } from '../request/detectors.ts';
import type { Compute } from '../runtime/compute.ts';
import type { Detector } from '../saliency/detector.ts';
import type { DetectorParts } from '../saliency/open-detector.ts';

/** CLIP scores, 100·cos, of an image and a prompt or a target: A guides, B only reports. Absent where the model lacks that CLIP. */
export interface ClipScores {
  readonly A?: number;
  readonly B?: number;
}

/**
 * What an objective is made for.
 *
 * @interface
 */
export type ObjectiveOptions = ImageSize & Pick<ObjectiveParts, 'saturatedGradient' | 'views'>;

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
  /** The CLIP that guides (folder `clip`). @throws UserError where the model has none */
  critic(): Promise<ClipCritic>;
  /** The CLIP that only reports (folder `clip_b`), where the model has one. */
  reporter(): Promise<ClipCritic | undefined>;
  /** The loss of a latent under the guiding CLIP. @throws UserError where the model has none */
  objective(options: ObjectiveOptions): Promise<Objective>;
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
  detector(name: SaliencyName, options?: DetectorOptions): Promise<Detector>;
  /** Frees all memory that the programs hold. */
  dispose(): Promise<void>;
}
