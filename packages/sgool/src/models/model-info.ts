/** @file What a model folder says of itself, without compiling or reading any weights. */
import { files, places } from '#platform';
import { UserError } from '../errors.ts';
import type { ModelFolder } from '../weights/open/model-folder.ts';
import { type Config, readConfig } from '../weights/sources/read-config.ts';
import type { FewStepSampling } from './stable-diffusion/few-step.ts';

/** What is known about a model before any of its programs is compiled. */
export interface ModelInfo {
  /** As users write it: `toybox`, or the path of a folder. */
  readonly name: string;
  readonly dir: string;
  /** Image that the model was trained for, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Pixels per latent, in each direction. */
  readonly scaleFactor: number;
  /** Pixels that both sides of an image must be a multiple of. */
  readonly sizeMultiple: number;
  readonly latentChannels: number;
  /** Parts beside the diffusion model that are in the folder. */
  readonly has: { readonly clip: boolean; readonly clipB: boolean; readonly transalnet: boolean };
  /** How it is sampled if it was distilled to make images in a few steps. */
  readonly fewStep?: FewStepSampling;
  /** Whether the guidance scale is an input of the network, so that guidance costs no second evaluation. */
  readonly embedsGuidance?: boolean;
  /** `defaults` of the folder's `sgool.json`: settings by method name, or `*`; checked when settings are resolved. */
  readonly hint: Readonly<Record<string, unknown>>;
}

/** Puts together what is known of a model. */
export function modelInfo(
  name: string,
  { dir, components }: ModelFolder,
  facts: {
    latentSize: number | readonly [number, number];
    scaleFactor: number;
    unetStride: number;
    latentChannels: number;
    fewStep: FewStepSampling | undefined;
    embedsGuidance: boolean;
    hint: ModelInfo['hint'];
  },
): ModelInfo {
  const { latentSize, scaleFactor, unetStride, latentChannels, fewStep, embedsGuidance, hint } = facts;
  const [rows, columns] = typeof latentSize === 'number' ? [latentSize, latentSize] : latentSize;
  return {
    name,
    dir,
    width: columns * scaleFactor,
    height: rows * scaleFactor,
    scaleFactor,
    sizeMultiple: scaleFactor * unetStride,
    latentChannels,
    has: {
      clip: components.has('clip'),
      clipB: components.has('clip_b'),
      transalnet: components.has('transalnet'),
    },
    ...(fewStep ? { fewStep } : {}),
    ...(embedsGuidance ? { embedsGuidance } : {}),
    hint,
  };
}

/** `defaults` of the folder's `sgool.json`; nothing where there is no such file. @throws UserError where it is broken */
export async function readHint(dir: string): Promise<ModelInfo['hint']> {
  const path = places.join(dir, 'sgool.json');
  if (!(await files.exists(path))) return {};
  const { defaults = {} } = await readConfig(path);
  if (typeof defaults !== 'object' || defaults === null || Array.isArray(defaults)) {
    throw new UserError(
      `${path}: defaults must be an object of settings by method, got ${JSON.stringify(defaults)}`,
    );
  }
  return defaults as Config;
}
