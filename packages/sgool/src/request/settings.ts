/** @file From a request to every setting: request over preset over the model's hints over the method's defaults. */
import { UserError } from '../errors.ts';
import type { ModelInfo } from '../models/model-info.ts';
import type { MethodName, ParsedRequest, Preset, SaliencyName, Settings } from './request.ts';
import { settingsSchema } from './request.ts';

/**
 * What the methods have in common: plain Stable Diffusion, and DOODL's knobs as its program has them. Methods lay their own
 * defaults over it.
 */
export function commonDefaults(model: ModelInfo): Settings {
  return {
    width: model.width,
    height: model.height,
    steps: 50,
    guidanceScale: 7.5,
    guidanceStart: 0,
    guidanceStop: 1,
    sampler: 'ddim',
    ...model.fewStep,
    eta: 0,
    mixingWeight: 0.93,
    edictOutput: 'both',
    trajectory: 'checkpointed',
    gradientSteps: 0,
    jacobianShare: 1,
    iterations: 0,
    keep: 'clip',
    patience: 0,
    minImprovement: 0,
    targetClip: 100,
    lambda: 1,
    saliency: defaultSaliency(model),
    saliencyEvery: 1,
    thresholdRule: 'otsu',
    thresholdValue: 0.5,
    regionPadding: 0.1,
    minRegionSide: 0.25,
    maxRegions: 3,
    regionText: 'prompt',
    cutouts: 0,
    cutSize: 1,
    cutPower: 0.3,
    cutReduction: 'min',
    saturatedGradient: 'clamp',
    optimiser: 'doodl',
    gradScale: 1,
    clipGradient: 1e-3,
    momentum: 0.9,
    nesterov: false,
    learningRate: 0.1,
    perturbation: 1e-4,
    renormalise: true,
    clipGuidanceScale: 100,
  };
}

/**
 * The EDICT pair, for methods that are published with it. A few-step model keeps its own sampler: in one to four steps the pair
 * does not come together, and one network call more per step is what such models exist to avoid.
 */
export function pairDefaults(
  { fewStep }: ModelInfo,
  trajectory: Settings['trajectory'],
): Partial<Pick<Settings, 'sampler' | 'trajectory'>> {
  return fewStep ? {} : { sampler: 'edict', trajectory };
}

/**
 * How the noise of few-step models is moved, where neither request nor model say: by an angle per step, in the middle of what
 * ReNO's settings for one-step models amount to (at most 0.5 of a length of 128 in the first step, at most 5 in later ones).
 *
 * Reference: Eyring et al. 2024, "ReNO: Enhancing One-step Text-to-Image Models through Reward-based Noise Optimization".
 */
const FEW_STEP_OPTIMISER: Partial<Settings> = {
  optimiser: 'normalised',
  learningRate: 0.02,
  momentum: 0.9,
  perturbation: 0,
};

/**
 * The preset `fast`, for the methods that move the noise. Chosen on Toybox by what an image is worth after a tenth of the UNet
 * evaluations of DOODL as published (docs/LOG.md, `npm run evaluate:cost`). The learning rate is in deviations of the noise, which are
 * 1 for every model; guidance and what the loss looks at stay the model's own.
 */
const FAST = {
  sampler: 'dpm-solver',
  steps: 8,
  trajectory: 'checkpointed',
  iterations: 20,
  optimiser: 'adam',
  learningRate: 0.05,
  momentum: 0.9,
  perturbation: 0,
} as const satisfies Partial<Settings>;

/**
 * The defaults of a method under a preset: the method's own (`paper`), with the model's hints over them (`model`), and over those
 * what makes it fast (`fast`). A model of few steps is fast by itself: there `fast` means fewer iterations.
 *
 * @throws UserError as {@link withHints} does
 */
export function withPreset(
  defaults: Settings,
  model: ModelInfo,
  method: MethodName,
  preset: Preset = 'model',
): Settings {
  if (preset === 'paper') return defaults;
  const hinted = withHints(defaults, model, method);
  const movesNoise = method === 'sgool' || method === 'doodl';
  if (preset === 'model' || !movesNoise) return hinted;
  return { ...hinted, ...(model.fewStep ? { iterations: FAST.iterations } : FAST) };
}

/** The best detector that there is a network for. */
function defaultSaliency({ has }: ModelInfo): SaliencyName {
  if (has.transalnet) return 'transalnet';
  return has.clip ? 'grad-cam' : 'spectral-residual';
}

/**
 * Lays the model's own defaults (`sgool.json`, key `defaults`: settings by method name, `*` for all methods) over a method's.
 *
 * @throws UserError where the file holds something else
 */
function withHints(defaults: Settings, { dir, fewStep, hint }: ModelInfo, method: MethodName): Settings {
  const settings = { ...defaults, ...(fewStep ? FEW_STEP_OPTIMISER : {}) };
  for (const name of ['*', method]) {
    if (hint[name] === undefined) continue;
    const result = settingsSchema.partial().safeParse(hint[name]);
    if (!result.success) {
      const { path, message } = result.error.issues[0];
      throw new UserError(`${dir}: sgool.json: defaults.${[name, ...path].join('.')}: ${message}`);
    }
    Object.assign(settings, result.data);
  }
  return settings;
}

/**
 * One line for the user where another detector stands in for TranSalNet; undefined where it does not, or was chosen.
 *
 * @param settings as resolved
 */
export function saliencyNote(
  { saliency }: Settings,
  request: Pick<ParsedRequest, 'saliency'>,
  model: ModelInfo,
): string | undefined {
  const isChosen = request.saliency !== undefined && request.saliency !== 'transalnet';
  if (isChosen || saliency === 'transalnet' || saliency !== defaultSaliency(model)) return undefined;
  const name = saliency === 'grad-cam' ? 'Grad-CAM on CLIP' : 'spectral residual';
  return `there are no TranSalNet weights: ${name} says where the eye goes; add them with: sgool models add transalnet <file>`;
}

/**
 * Every setting of a run.
 *
 * @param defaults the method's, hints included
 * @throws UserError where the image's size does not fit the model
 */
export function resolveSettings(defaults: Settings, request: ParsedRequest, model: ModelInfo): Settings {
  const known = Object.keys(settingsSchema.shape) as (keyof Settings)[];
  const asked = Object.fromEntries(
    known.filter((key) => request[key] !== undefined).map((key) => [key, request[key]]),
  );
  // One side alone means a square, as people who type one number expect.
  if (asked.width !== undefined && asked.height === undefined) asked.height = asked.width;
  if (asked.height !== undefined && asked.width === undefined) asked.width = asked.height;
  const settings: Settings = { ...defaults, ...asked };
  // Few have TranSalNet's weights, so its name alone must not end a run; `saliencyNote` tells what stands in.
  if (settings.saliency === 'transalnet') settings.saliency = defaultSaliency(model);
  // EDICT alone has an exact inverse; asking for another is no mistake where only a default says `invertible`.
  if (settings.sampler !== 'edict' && asked.trajectory === undefined) settings.trajectory = 'checkpointed';
  const { guidanceStart, guidanceStop } = settings;
  if (guidanceStart > guidanceStop) {
    throw new UserError(
      `request: guidanceStart must not lie behind guidanceStop, got ${guidanceStart} and ${guidanceStop}`,
    );
  }
  for (const side of ['width', 'height'] as const) {
    if (settings[side] % model.sizeMultiple !== 0) {
      throw new UserError(
        `request: ${side} must be a multiple of ${model.sizeMultiple} for ${model.name}, got ${settings[side]}`,
      );
    }
  }
  return settings;
}
