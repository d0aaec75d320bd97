/** @file Defaults of settings: what all methods have in common, the hints of the model over them, and the presets. */
import { z } from 'zod';
import { UserError } from '../errors.ts';
import type { ImageSize } from '../image/image.ts';
import type { ModelInfo } from '../models/model-info.ts';
import { DEFAULT_SYNTAX } from '../text/prompt/prompt.ts';
import { defaultDetector } from './detectors.ts';
import { DEFAULT_OBJECTIVE } from './objective-text.ts';
import type { MethodSchema, Preset } from './request.ts';
import type { DetailSettings } from './settings/detail.ts';
import { type MethodSettings, SETTINGS, type Settings } from './settings/index.ts';
import type { DetectionSettings } from './settings/regions.ts';
import { pickSettings, type SettingsShape } from './settings/shape.ts';

/** How a saliency map is divided into regions. */
export const REGION_DEFAULTS = {
  centreBias: 'keep',
  thresholdRule: 'otsu',
  thresholdValue: 0.5,
  regionPadding: 0.1,
  minRegionSide: 0.25,
  maxRegions: 3,
} as const satisfies Omit<DetectionSettings, 'saliency'>;

/** The saliency model and the regions for a model, where nothing else is said. */
export function detectionDefaults({ has }: Pick<ModelInfo, 'has'>): DetectionSettings {
  return { saliency: defaultDetector(has, true), ...REGION_DEFAULTS };
}

/** A linear edge that spreads as a Gaussian one of a deviation is so many times as wide. */
export const EDGE_OF_DEVIATION = Math.sqrt(12);

/**
 * The lengths of the detail pass as After Detailer sets them for images of 512 pixels, in an image of another size. Its number for dilation is
 * the side of a kernel, twice the growth on each side; its blur is a Gaussian.
 *
 * Reference: Bing-su/adetailer, README (arguments); AUTOMATIC1111/stable-diffusion-webui, modules/processing.py (mask blur)
 *
 * @returns in pixels of the image
 */
export function detailLengths({
  width,
  height,
}: ImageSize): Pick<DetailSettings, 'regionDilation' | 'detailFeather' | 'detailPadding'> {
  const pixels = (of512: number) => Math.round((of512 / 512) * Math.min(width, height));
  return {
    regionDilation: pixels(4 / 2),
    detailFeather: pixels(4 * EDGE_OF_DEVIATION),
    detailPadding: pixels(32),
  };
}

/** The detail pass as After Detailer sets it. */
function detailDefaults(model: ImageSize): DetailSettings {
  return {
    boxes: '',
    regionPrompt: '',
    regionNegativePrompt: '',
    minRegionMass: 0,
    minRegionArea: 0,
    maxRegionArea: 1,
    regionOrder: 'saliency',
    regionOffsetX: 0,
    regionOffsetY: 0,
    regionMerge: 'none',
    detailStrength: 0.4,
    onlyMasked: true,
    detailWidth: 0,
    detailHeight: 0,
    detailSteps: 0,
    detailGuidance: 0,
    detailSampler: 'same',
    detailClipSkip: 0,
    ...detailLengths(model),
  };
}

/**
 * Defaults of all settings: plain Stable Diffusion, and the settings of DOODL and Attend-and-Excite as their
 * published code has them. Methods change some.
 */
export function commonDefaults(model: ModelInfo): Settings {
  return {
    width: model.width,
    height: model.height,
    frames: 1,
    fps: model.motion?.fps ?? 8,
    sharedNoise: 0,
    lossFrames: 4,
    fullGradientEvery: 0,
    motionWeight: 1,
    clipConsistencyWeight: 0,
    saliencyConsistencyWeight: 0,
    steps: 50,
    guidanceScale: 7.5,
    guidanceStart: 0,
    guidanceStop: 1,
    guidanceRescale: 0,
    skipGuidanceLayers: '',
    skipLayerGuidanceScale: 2.8,
    skipLayerGuidanceStart: 0.01,
    skipLayerGuidanceStop: 0.2,
    sampler: model.sampler ?? 'ddim',
    ...model.published,
    ...model.fewStep,
    sigmas: 'model',
    eta: 0,
    stepEnds: 'reference',
    promptSyntax: DEFAULT_SYNTAX,
    clipSkip: 1,
    rng: 'cpu',
    mixingWeight: 0.93,
    edictOutput: 'both',
    trajectory: 'checkpointed',
    gradientSteps: 0,
    jacobianShare: 1,
    iterations: 50,
    budget: '',
    keep: 'clip',
    selector: '',
    patience: 0,
    minImprovement: 0,
    targetClip: 100,
    objective: DEFAULT_OBJECTIVE,
    spreadPictures: 8,
    clipPrompt: '',
    textWeight: 1,
    lambda: 1,
    ...detectionDefaults(model),
    saliencyEvery: 1,
    regionText: 'prompt',
    regionView: 'crop',
    cutouts: 16,
    cutSize: 1,
    cutPower: 0.3,
    cutReduction: 'min',
    saturatedGradient: 'clamp',
    optimiser: 'doodl',
    gradScale: 1,
    clipGradient: 1e-3,
    momentum: 0.9,
    nesterov: false,
    clipNorm: 0.1,
    normWeight: 0.01,
    temperature: 0.001,
    learningRate: 0.1,
    perturbation: 1e-4,
    renormalise: true,
    optimiseFrom: 0,
    neighbours: 4,
    similarity: 0.95,
    centres: 15,
    boxSide: 0.8,
    warmUp: 0.2,
    particles: 4,
    resamplings: 4,
    resampleFrom: 0.3,
    resampleStrength: 1,
    clipGuidanceScale: 100,
    steeringSteps: 1,
    steeringRate: 0.03,
    steeringStop: 1,
    ...detailDefaults(model),
    tokens: '',
    require: '',
    attentionLoss: 'attend-and-excite',
    attentionResolution: 16,
    attentionStepSize: 20,
    attendUntil: 0.5,
    refineThresholds: 'published',
    refineSteps: 20,
    plan: 'best-of:16, sgool:8',
  };
}

/**
 * The EDICT pair, for methods that are published with it. A few-step model keeps its own sampler: in one to four steps the two
 * latents of the pair do not converge, and EDICT doubles the network calls that such models exist to save. So do models that say so.
 */
export function pairDefaults(
  { fewStep, keepsSampler = false }: ModelInfo,
  trajectory: Settings['trajectory'],
): Partial<Pick<Settings, 'sampler' | 'trajectory'>> {
  return fewStep || keepsSampler ? {} : { sampler: 'edict', trajectory };
}

/**
 * How the noise of few-step models is moved, if neither request nor model say otherwise: by an angle per step, in the middle of
 * what ReNO's settings for one-step models amount to (at most 0.5 of a length of 128 in the first step, at most 5 in later ones).
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
 * The preset `fast`, for methods that move the noise. Chosen on Toybox by the quality of the images after a tenth of the UNet
 * evaluations of DOODL as published (docs/LOG.md, `npm run evaluate:cost`). The learning rate is in standard deviations of the
 * noise, which are 1 for every model. Guidance and loss stay those of the model.
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
 * The preset `reno`: ReNO as published, for methods that follow gradients; the others take of it what they have. The rewards are its mixture
 * `5·(1 - HPS v2.1) + (2 - ImageReward) + 0.05·(30 - PickScore) + 0.01·(100 - CLIP)` without the constants.
 *
 * Departures: the CLIP is that of the model, which is ReNO's where the option clip names laion/CLIP-ViT-H-14-laion2B-s32B-b79K; every
 * scorer sees the image by its own authors' preprocessing, where ReNO resizes and crops it once for all (the same for square images);
 * numbers are float32, not float16; a model of several steps is differentiated through all of them.
 *
 * Reference: Eyring et al. 2024, "ReNO: Enhancing One-step Text-to-Image Models through Reward-based Noise Optimization", section 3 and
 * published code (arguments.py, training/trainer.py, rewards/).
 */
const RENO = {
  objective: 'hps-v2.1:5,image-reward:1,pickscore:0.05,clip-cosine:0.01',
  spreadPictures: 0,
  keep: 'objective',
  iterations: 50,
  optimiser: 'reno',
  learningRate: 5,
  momentum: 0.9,
  nesterov: true,
  clipNorm: 0.1,
  normWeight: 0.01,
  trajectory: 'checkpointed',
} as const satisfies Partial<Settings>;

/** What the defaults of a method depend on. */
export interface MethodDefaults extends MethodSchema {
  /** Whether it optimises the starting noise. */
  readonly movesNoise: boolean;
}

/** Under every preset but `paper` CLIP sees the whole image. The published methods see random cutouts of it. */
const WHOLE = { cutouts: 0 } as const satisfies Partial<Settings>;

/** Whether a preset has the model's hints over the published settings. */
export const takesHints = (preset: Preset = 'model'): boolean => preset === 'model' || preset === 'fast';

/**
 * The defaults of a method under a preset: the method's own (`paper`), with the whole image in place of cutouts and the model's hints over
 * them (`model`), with what makes it fast over both (`fast`), or with ReNO's settings in place of them (`reno`). A few-step model is fast by itself: there, `fast` means fewer iterations.
 *
 * @param defaults the method's own
 * @throws UserError where the model's `sgool.json` is broken
 */
export function presetDefaults<S extends MethodSettings>(
  method: MethodDefaults,
  defaults: S,
  model: ModelInfo,
  preset: Preset = 'model',
): S {
  if (preset === 'paper') return defaults;
  if (preset === 'reno') {
    const { sampler } = commonDefaults(model);
    return { ...defaults, ...pickSettings(method.settings, { ...WHOLE, ...RENO, sampler }) };
  }
  const { movesNoise } = method;
  const fewStepSettings = movesNoise && model.fewStep ? FEW_STEP_OPTIMISER : {};
  const whole = pickSettings(method.settings, WHOLE);
  const hinted = { ...defaults, ...whole, ...fewStepSettings, ...hintsFor(method, model) };
  if (preset === 'model' || !movesNoise) return hinted;
  return { ...hinted, ...(model.fewStep ? { iterations: FAST.iterations } : FAST) };
}

/**
 * The model's own defaults for a method (`sgool.json`, key `defaults`: settings by the name of a method, or `*` for all methods).
 * Of `*`, settings that the method does not have are skipped.
 *
 * @throws UserError where the file holds something else
 */
function hintsFor({ name, settings }: MethodSchema, model: ModelInfo): Partial<Settings> {
  return {
    ...pickSettings(settings, checkHint('*', SETTINGS, model)),
    ...checkHint(name, settings, model),
  };
}

/** The model's own defaults under one name. @throws UserError where its `sgool.json` holds something else */
export function checkHint(name: string, shape: SettingsShape, { dir, hint }: ModelInfo): Partial<Settings> {
  if (hint[name] === undefined) return {};
  const result = z.strictObject(shape).partial().safeParse(hint[name]);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const foreign =
    issue.code === 'unrecognized_keys' && issue.keys.find((key) => Object.hasOwn(SETTINGS, key));
  const path = ['defaults', name, ...issue.path, ...(foreign ? [foreign] : [])].join('.');
  const message = foreign ? `method ${name} has no such option` : issue.message;
  throw new UserError(`${dir}: sgool.json: ${path}: ${message}`);
}

/**
 * One line for the user where a preset is used for what it was not made for; undefined elsewhere.
 *
 * @param settings those that the method has
 */
export function presetNote(
  preset: Preset,
  { name, settings }: Pick<MethodDefaults, 'name' | 'settings'>,
  model: Pick<ModelInfo, 'name' | 'fewStep'>,
): string | undefined {
  if (preset !== 'reno') return undefined;
  if (!Object.hasOwn(settings, 'objective')) {
    return `preset reno: method ${name} has no scorers and moves no noise: it runs as it does by default`;
  }
  if (!Object.hasOwn(settings, 'optimiser')) {
    return `preset reno: method ${name} takes its scorers; it has no steps along a gradient`;
  }
  if (model.fewStep) return undefined;
  return `preset reno is for models of one to four steps, and ${model.name} needs many: each of its iterations goes back through all of them`;
}
