/** @file A loaded model, as methods see it. */
import type { Denoiser } from '../diffusion/denoiser.ts';
import type { Schedule } from '../diffusion/schedule.ts';
import type { Image } from '../image/image.ts';
import type { ModelInfo } from '../models/model-info.ts';
import type { Objective, ObjectiveParts } from '../objectives/objective.ts';
import type { ClipCritic } from '../preference/clip-critic.ts';
import type { SaliencyName } from '../request/detectors.ts';
import type { Compute } from '../runtime/compute.ts';
import type { Detector } from '../saliency/detector.ts';
import type { EncodedPrompt } from '../text/tokenizer.ts';

/** CLIP scores, 100·cos, of an image and a prompt: A guides, B only reports. Absent where the model lacks that CLIP. */
export interface ClipScores {
  readonly A?: number;
  readonly B?: number;
}

export interface ImageSize {
  /** In pixels. */
  readonly width: number;
  readonly height: number;
}

export interface DenoiserOptions extends ImageSize {
  readonly prompt: string;
  readonly negativePrompt?: string;
  /** With 1 or less the network is asked about the prompt alone. */
  readonly guidanceScale: number;
  /** The part of the way from noise (0) to image (1) that is guided. Default all. */
  readonly guidanceStart?: number;
  readonly guidanceStop?: number;
  /** Counted up by every call. */
  readonly evaluations?: { forward: number; pullback: number };
}

export type ObjectiveOptions = ImageSize & Pick<ObjectiveParts, 'saturatedGradient' | 'views'>;

/** A loaded model. */
export interface Pipeline {
  readonly model: ModelInfo;
  /** What its networks run on. */
  readonly compute: Compute;
  readonly schedule: Schedule;
  /** How the prompt fits the text encoder; what is too long is cut off, the end token kept. */
  checkPrompt(prompt: string): Pick<EncodedPrompt, 'tokens' | 'truncated' | 'lost'>;
  /** `[1, channels, height, width]` of the latent of an image. */
  latentShape(size: ImageSize): readonly number[];
  /** The noise predictor of a prompt. */
  denoiser(options: DenoiserOptions): Promise<Denoiser>;
  /** The latent of an image: the autoencoder's mean. @throws UserError where the image's sides do not fit */
  encode(image: Image): Promise<Float64Array>;
  /** The image of a latent. */
  decode(latent: Float64Array, size: ImageSize): Promise<Image>;
  /** The CLIP that guides (folder `clip`). @throws UserError where the model has none */
  critic(): Promise<ClipCritic>;
  /** The loss of a latent under the guiding CLIP. @throws UserError where the model has none */
  objective(options: ObjectiveOptions): Promise<Objective>;
  score(image: Image, prompt: string): Promise<ClipScores>;
  /**
   * A saliency detector by name.
   *
   * @param options.prompt what Grad-CAM looks for
   * @param options.mask the image of the `mask` detector
   * @throws UserError where the model lacks the network it needs
   */
  detector(name: SaliencyName, options?: { prompt?: string; mask?: Image }): Promise<Detector>;
  /** Frees all memory that the programs hold. */
  dispose(): Promise<void>;
}
