/**
 * @file What a model family offers to everything above it: prompts, latents and predictions, without a word of which networks do
 * the work.
 */
import type { Tensor } from '@sgool/autodiff';
import type { Denoiser } from '../diffusion/denoiser.ts';
import type { NoisePath } from '../diffusion/noise-path.ts';
import type { Image, ImageSize } from '../image/image.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import type { EncodedPrompt, Tokenizer } from '../text/tokenizer.ts';
import type { ModelFolder } from '../weights/open/model-folder.ts';
import type { BackboneInfo } from './model-info.ts';

/** How a prompt fits a text encoder. */
export type PromptFit = Pick<EncodedPrompt, 'tokens' | 'truncated' | 'lost'>;

export interface DenoiserOptions extends ImageSize {
  readonly prompt: string;
  /** Default: the empty prompt. */
  readonly negativePrompt?: string;
  /** With 1 or less the network is evaluated for the prompt alone. */
  readonly guidanceScale: number;
  /** The part of the way from noise (0) to image (1) that is guided. Default all. */
  readonly guidanceStart?: number;
  readonly guidanceStop?: number;
  /** How far the guided prediction is scaled back to the deviation of the unguided one, 0 to 1. Default 0. */
  readonly guidanceRescale?: number;
  /** Counted up by every call. */
  readonly evaluations?: { forward: number; pullback: number };
}

/** The networks of one model that make images from noise. Latents are flat `Float64Array`s. */
export interface Backbone {
  /** Sizes and habits of the model. */
  readonly info: BackboneInfo;
  /** A CLIP vocabulary that it brings along, for CLIPs without files of their own. */
  readonly clipTokenizer?: Tokenizer;
  /** How the prompt fits the text encoder; what is too long is cut off, the end token kept. */
  checkPrompt(prompt: string): PromptFit;
  /** Shape of the latent of an image, of any rank; for Stable Diffusion `[1, channels, height / 8, width / 8]`. */
  latentShape(size: ImageSize): readonly number[];
  /**
   * How much signal and how much noise there is on the way from noise to image. Some families spread its stops by the size of
   * the image.
   */
  noisePath(size: ImageSize): NoisePath;
  /** The network under a prompt, guidance applied. */
  denoiser(options: DenoiserOptions): Promise<Denoiser>;
  /** The latent of an image, without noise. @throws UserError where the image's sides do not fit */
  encode(image: Image): Promise<Float64Array>;
  /** The image of a latent. */
  decode(latent: Float64Array, size: ImageSize): Promise<Image>;
  /** Inside a trace: a latent as planes [1, 3, height, width], black at 0 and white at 1, not clamped. */
  decodedPlanes(latent: Tensor): Tensor;
}

/** What a family needs to open a model. */
export interface BackboneParts {
  readonly folder: ModelFolder;
  readonly programs: ProgramCache;
  /** Whether gradients compute the activations of each block again instead of keeping them. */
  readonly checkpointBlocks: boolean;
}

/** What lies in a model folder, before any of it is opened. */
export interface FolderContents {
  /** `_class_name` of `model_index.json`. */
  readonly className: string | undefined;
  /** Names of its files and folders. */
  readonly entries: readonly string[];
}

/** A kind of model that can be run. */
export interface ModelFamily {
  /** As users know it. */
  readonly name: string;
  /** Networks that its folder must have. */
  readonly required: readonly string[];
  /** The one of them that denoises: its size decides how programs are compiled. */
  readonly denoiser: string;
  /** Whether a folder holds a model of this family. */
  matches(contents: FolderContents): boolean;
  /** @throws UserError where a part is missing, broken or does not fit the others */
  open(parts: BackboneParts): Promise<Backbone>;
}
