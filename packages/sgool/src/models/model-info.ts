/** @file What a model says of itself, without compiling or reading any weights. */
import type { PAIR_SAMPLERS, SamplerName } from '../diffusion/sampler-names.ts';
import { clipConfig } from '../networks/clip/clip-config.ts';
import type { ContextWindows } from '../networks/motion/context-windows.ts';
import type { ModelFolder } from '../weights/open/model-folder.ts';
import { hintNotes, methodHints } from '../weights/open/model-hints.ts';

/** How a model that was distilled to make images in a few steps is sampled. */
export interface FewStepSampling {
  readonly sampler: SamplerName;
  readonly steps: number;
  readonly guidanceScale: number;
}

/** The clips that a model makes. */
export interface MotionInfo {
  /** Frames of a clip if nothing is said. */
  readonly frames: number;
  /** Most frames of a clip: as many as the model sees at once, or with windows any number. */
  readonly mostFrames: number;
  /** The windows in which longer clips are seen. */
  readonly windows?: ContextWindows;
  /** Frames per second that it was trained with. */
  readonly fps: number;
}

/** Sizes and properties of a model, from its family. */
export interface BackboneInfo {
  /** Image that the model was trained for, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Pixels per latent, in each direction. */
  readonly scaleFactor: number;
  /** Pixels that both sides of an image must be a multiple of. */
  readonly sizeMultiple: number;
  readonly latentChannels: number;
  /**
   * Whether the network also sees a mask and the image around it, and so paints what the mask leaves open (an inpainting model).
   * Without a mask it paints the whole image.
   */
  readonly paintsMask?: boolean;
  /** The sampler that the model's files name. */
  readonly sampler?: SamplerName;
  /** What is wrong with the sampler that they name, in one line; then a sampler has to be chosen. */
  readonly unsupportedSampler?: string;
  /** Lines for the user: what of the model's files is read in a way that they do not say. */
  readonly notes?: readonly string[];
  /** Lines for the user about what of the model's files a sampler does not read. */
  samplerNotes?(sampler: SamplerName): string[];
  /** How it is sampled if it was distilled to make images in a few steps. */
  readonly fewStep?: FewStepSampling;
  /** Steps and guidance scale of the published examples, for a model that takes many steps. */
  readonly published?: Pick<FewStepSampling, 'steps' | 'guidanceScale'>;
  /**
   * Whether methods that are published with EDICT's pair take the model's own sampler instead. On a rectified flow the pair costs twice the
   * network calls and is no more exact (docs/decisions/0023-samplers-of-flows.md).
   */
  readonly keepsSampler?: boolean;
  /** How an image is inverted to its noise, if not by EDICT without guidance. */
  readonly inversion?: { readonly sampler: (typeof PAIR_SAMPLERS)[number]; readonly guidanceScale: number };
  /** There where the model makes clips, and not only pictures. */
  readonly motion?: MotionInfo;
  /** Whether the guidance scale is an input of the network, so that guidance costs no second evaluation. */
  readonly embedsGuidance?: boolean;
  /** How many layers of the network guidance can skip. Absent where it can skip none. */
  readonly skippableLayers?: number;
}

/** What is known about a model before any of its programs is compiled. */
export interface ModelInfo extends BackboneInfo {
  /** As users write it: `toybox`, or the path of a folder. */
  readonly name: string;
  readonly dir: string;
  /** Path of the file that holds the denoiser's weights, or of the first of several; a URL in a browser. */
  readonly weightsPath?: string;
  /** The same of its motion adapter, where it has one. */
  readonly motionPath?: string;
  /** Networks beside the diffusion model that are in the folder. */
  readonly has: { readonly clip: boolean; readonly clipB: boolean; readonly transalnet: boolean };
  /** Side of the square input of the CLIP that guides, in pixels. */
  readonly clipSide?: number;
  /** `defaults` of the folder's `sgool.json`: settings by method name, or `*`; checked when settings are resolved. */
  readonly hint: Readonly<Record<string, unknown>>;
}

/**
 * Puts together what is known of a model.
 *
 * @param name as users write it
 * @throws UserError where the folder's `sgool.json` is broken
 */
export async function modelInfo(
  name: string,
  { dir, components }: ModelFolder,
  info: BackboneInfo,
): Promise<ModelInfo> {
  const clip = components.get('clip');
  const notes = [
    ...(info.notes ?? []),
    ...[...components.values()].flatMap((one) => one.notes ?? []),
    ...(await hintNotes(dir, (network) => components.has(network))),
  ];
  return {
    name,
    dir,
    ...info,
    ...(notes.length === 0 ? {} : { notes }),
    has: {
      clip: components.has('clip'),
      clipB: components.has('clip_b'),
      transalnet: components.has('transalnet'),
    },
    ...(clip === undefined
      ? {}
      : { clipSide: clipConfig(clip.config, `${clip.dir}/config.json`).vision_config.image_size }),
    hint: await methodHints(dir),
  };
}
