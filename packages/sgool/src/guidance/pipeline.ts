import type { Image } from '../image/index.ts';
import type { Detector } from '../saliency/detector.ts';
import type { EncodedPrompt } from '../text/index.ts';
import type { SaliencyName } from './request.ts';

/** What is known about a model before any of its programs is compiled. */
export interface ModelInfo {
  /** As users write it: `toybox`, or the path of a folder. */
  readonly name: string;
  readonly dir: string;
  /** Picture that the model was trained for, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Pixels per latent, in each direction. */
  readonly scaleFactor: number;
  /** Pixels that both sides of a picture must be a multiple of. */
  readonly sizeMultiple: number;
  readonly latentChannels: number;
  /** Parts beside the diffusion model that are in the folder. */
  readonly has: { readonly clip: boolean; readonly clipB: boolean; readonly transalnet: boolean };
  /** Content of `sgool.json`, the model's own defaults, by method name or `*`; checked when settings are resolved. */
  readonly hint: Readonly<Record<string, unknown>>;
}

/** CLIP scores, 100·cos, of a picture and a prompt: A guides, B only reports. Absent where the model lacks that CLIP. */
export interface ClipScores {
  readonly A?: number;
  readonly B?: number;
}

/** A loaded model. */
export interface Pipeline {
  readonly model: ModelInfo;
  /** How the prompt fits the text encoder; what is too long is cut off, the end token kept. */
  checkPrompt(prompt: string): Pick<EncodedPrompt, 'tokens' | 'truncated' | 'lost'>;
  score(image: Image, prompt: string): Promise<ClipScores>;
  /**
   * A saliency detector by name.
   *
   * @param options.prompt what Grad-CAM looks for; @param options.mask the picture of the `mask` detector
   * @throws UserError where the model lacks the network it needs
   */
  detector(name: SaliencyName, options?: { prompt?: string; mask?: Image }): Promise<Detector>;
  dispose(): Promise<void>;
}
