/**
 * @file What a model family offers to everything above it: prompts, latents and predictions, without a word of which networks do
 * the work.
 */
import type { Tensor } from '@sgool/autodiff';
import type { Denoiser } from '../diffusion/denoiser.ts';
import type { NoisePath } from '../diffusion/noise-path.ts';
import type { ClipSize, Image, ImageSize } from '../image/image.ts';
import type { MotionNorm } from '../networks/motion/motion-module.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import type { NetworkTag } from '../text/prompt/networks.ts';
import type { PromptSyntax } from '../text/prompt/prompt.ts';
import type { EncodedPrompt, Tokenizer } from '../text/tokenizer.ts';
import type { ModelFolder } from '../weights/open/model-folder.ts';
import type { CrossAttention } from './cross-attention.ts';
import type { BackboneInfo } from './model-info.ts';
import type { SkipLayerGuidance } from './skip-layer-guidance.ts';
import type { TrainableNetwork } from './trainable-network.ts';

/** How a prompt fits a text encoder. */
export interface PromptFit extends Pick<EncodedPrompt, 'tokens' | 'truncated' | 'lost'> {
  /** Words of it that the vocabulary lacks: they mean nothing to the model. */
  readonly unknown: readonly string[];
  /** The syntax that it was read under. */
  readonly syntax?: PromptSyntax;
  /** Number of chunks in which it is read: more than one only where the syntax allows prompts of any length. */
  readonly chunks?: number;
  /** Whether weights, breaks or changes were read in it. */
  readonly hasSyntax?: boolean;
  /** Tags for other networks in it, which were left out of the text. */
  readonly networks?: readonly NetworkTag[];
  /** What of it is not supported, one line each. */
  readonly notes?: readonly string[];
}

/** How prompts are read. */
export interface PromptReading {
  /** Way in which weights are written. Default `a1111`. */
  readonly promptSyntax?: PromptSyntax;
  /** Layer of the text encoder that conditions, counted from the end; default 1, the last. */
  readonly clipSkip?: number;
}

/** An image of which a part is painted anew. */
export interface MaskedImage {
  /** In the size of the result: one of a picture, all frames of a clip. */
  readonly images: readonly Image[];
  /** 1 for each pixel that is painted, 0 for those that are seen; the same in all frames. */
  readonly open: Uint8Array;
}

export interface DenoiserOptions extends ClipSize, PromptReading {
  readonly prompt: string;
  /** Default: the empty prompt. */
  readonly negativePrompt?: string;
  /** With 1 or less the network is evaluated for the prompt alone. */
  readonly guidanceScale: number;
  /** The part of the chain, from noise (0) to image (1), that is guided. Default all. */
  readonly guidanceStart?: number;
  readonly guidanceStop?: number;
  /** How far the guided prediction is scaled back to the deviation of the unguided one, 0 to 1. Default 0. */
  readonly guidanceRescale?: number;
  /** Guidance away from the network without some of its layers, for networks that have such (`BackboneInfo.skippableLayers`). */
  readonly skipLayerGuidance?: SkipLayerGuidance;
  /** What a network sees that paints masks (`BackboneInfo.paintsMask`); others ignore it. Default: all is open. */
  readonly maskedImage?: MaskedImage;
  /** The times of the sampler's steps, noisiest first; needed by prompts and guidance that change from step to step. */
  readonly timesteps?: readonly number[];
  /** Counted up by every call. */
  readonly evaluations?: { forward: number; pullback: number };
}

/** How the attention under one prompt follows that under another. */
export interface PairedOptions {
  readonly sourcePrompt: string;
  /** How much of the attention to each token of the source goes to each token of the prompt, [tokens, tokens]. */
  readonly mapping: Float32Array;
  /** How much each token of the prompt keeps of its own attention, [tokens]. */
  readonly keep: Float32Array;
  /** The share of the steps, from the noisiest on, in which the attention to the text follows. */
  readonly crossShare: number;
  /** The share in which the attention of small maps to themselves is that of the source. */
  readonly selfShare: number;
}

/** The networks of one model that make images from noise. Latents are flat `Float64Array`s. */
export interface Backbone {
  /** Sizes and properties of the model. */
  readonly info: BackboneInfo;
  /** The model's CLIP vocabulary, for CLIPs without files of their own. */
  readonly clipTokenizer?: Tokenizer;
  /** How a prompt fits the text encoder; under `plain`, what is too long is cut off, the end token kept. */
  checkPrompt(prompt: string, reading?: Pick<PromptReading, 'promptSyntax'>): PromptFit;
  /**
   * Shape of the latent of an image, of any rank; for Stable Diffusion `[1, channels, height / 8, width / 8]`. That of a clip has its frames
   * behind the channels: `[1, channels, frames, height / 8, width / 8]`; `frameLatent` takes one of them out.
   *
   * @throws UserError for more than one frame where the model makes no clips (`info.motion`), or not of so many frames
   */
  latentShape(size: ClipSize): readonly number[];
  /**
   * How much signal and how much noise there is at each level from pure noise to the clean image. Some families spread its stops by the size of
   * the image; clips may have one of their own.
   */
  noisePath(size: ClipSize): NoisePath;
  /** The network under a prompt, guidance applied. */
  denoiser(options: DenoiserOptions): Promise<Denoiser>;
  /**
   * The network's cross-attention under the prompt, for families that have one.
   *
   * @throws UserError where the tokens of the prompt are not one row: it changes from step to step, or is read in several chunks
   */
  crossAttention?(options: DenoiserOptions): Promise<CrossAttention>;
  /**
   * Two chains side by side, of a source prompt and of `prompt`, whose attention follows that of the source. Its latents are two, one behind the
   * other: `[2, ...]`. The source is not guided. It has no gradient. For families that have cross-attention.
   *
   * @throws UserError as `crossAttention` does, and for networks that see more than the latent, or take the guidance scale as an input
   */
  pairedDenoiser?(options: DenoiserOptions & PairedOptions): Promise<Denoiser>;
  /**
   * The latent of an image: the likeliest one or, with standard normal numbers, a sample of those that the image has.
   *
   * @throws UserError where the image's sides do not fit
   */
  encode(image: Image, noise?: Float64Array): Promise<Float64Array>;
  /** The image of a latent; clips are decoded frame by frame. */
  decode(latent: Float64Array, size: ImageSize): Promise<Image>;
  /** Inside a trace: a latent as planes [1, 3, height, width], black at 0 and white at 1, not clamped. */
  decodedPlanes(latent: Tensor): Tensor;
  /**
   * The network for fine-tuning. Absent where it reads more than a latent, a time and a text: a mask, or the scale of guidance.
   */
  readonly trainable?: TrainableNetwork;
}

/** How clips are made. */
export interface ClipOptions {
  /** What the group norm of motion modules standardises: all frames together, as diffusers (default), or each by itself, as AnimateDiff. */
  readonly motionNorm?: MotionNorm | undefined;
  /** Frames of the windows in which longer clips are seen. Without it a clip is seen as a whole. */
  readonly contextFrames?: number | undefined;
  /** Frames from one window to the next. Default 4. */
  readonly contextStride?: number | undefined;
}

/** What a family needs to open a model. */
export interface BackboneParts {
  readonly folder: ModelFolder;
  readonly programs: ProgramCache;
  /** Whether gradients compute the activations of each block again instead of keeping them. */
  readonly checkpointBlocks: boolean;
  /** How clips are made, for families that make them. */
  readonly clipOptions?: ClipOptions | undefined;
}

/** The contents of a model folder, before any file is opened. */
export interface FolderContents {
  /** `_class_name` of `model_index.json`. */
  readonly className: string | undefined;
  /** Names of its files and folders. */
  readonly entries: readonly string[];
}

/** What the configurations of a model say of it, before its networks are opened. What they do not say is absent. */
export interface ModelSummary {
  /** Size of the images that the model was trained for, in pixels. */
  readonly resolution?: ImageSize;
  /** `[channels, height, width]`. */
  readonly latent?: readonly number[];
  /** Channels of the denoising network's input, where it takes more than the latent: 9 for inpainting. */
  readonly inputChannels?: number;
  /** What the network predicts: `epsilon` (the noise), `v_prediction`, `sample`, or `velocity` of a flow. */
  readonly predictionType: string;
  /** What of the scheduler's file is read in a way that it does not say. */
  readonly notes: readonly string[];
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
  /** What the configurations of a folder say. Values that are not supported are passed over: opening the model names them. */
  summary(folder: ModelFolder): ModelSummary;
  /** @throws UserError where a part is missing, broken or does not fit the others */
  open(parts: BackboneParts): Promise<Backbone>;
}
