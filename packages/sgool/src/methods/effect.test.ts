/** @file Every setting of every method has an effect, or the request is refused (request/effect.ts). */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { createImage } from '../image/image.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { withMotion, writeTinyFlow, writeTinyModel } from '../pipeline/testing.ts';
import { Generator } from '../random/generator.ts';
import { negativePromptNote } from '../request/effect.ts';
import { type MethodRequest, parseMethodRequest } from '../request/request.ts';
import { SETTINGS, type SettingKey } from '../request/settings/index.ts';
import { defined } from '../testing.ts';
import { METHOD_NAMES, METHODS, type MethodName, methods } from './index.ts';
import { settingsOf } from './run/create-method.ts';
import { requestTo } from './testing.ts';

const picture = createImage(
  32,
  32,
  Uint8Array.from(new Generator(3).rand([32 * 32 * 3]), (value) => 255 * value),
);

const base: MethodRequest = {
  prompt: 'a (red:1.5) cat and a blue boat',
  seed: 5,
  steps: 2,
  iterations: 2,
  cutouts: 2,
  cutSize: 0.5,
  sampler: 'ddim',
  optimiser: 'adam',
  learningRate: 0.2,
  saliency: 'spectral-residual',
  thresholdRule: 'quantile',
  thresholdValue: 0.7,
};

interface Trial {
  /** The tiny model that it is tried on. Default `stable-diffusion`. */
  readonly on?: 'stable-diffusion' | 'sd3';
  /** What the setting changes under. */
  readonly under?: Partial<MethodRequest>;
  /** Another value than the base has. */
  readonly value: unknown;
  /** A request under which it is not read, and refused. */
  readonly off?: Partial<MethodRequest>;
  /** What is refused there, if it is not the other value. */
  readonly refused?: unknown;
}

const NO_THRESHOLD = { thresholdRule: undefined, thresholdValue: undefined };
const UNFOUND = { ...NO_THRESHOLD, saliency: undefined };
const ONE_BOX = { ...UNFOUND, boxes: '4,4,8,8' };
const TWO_BOXES = { ...UNFOUND, boxes: '18,14,8,10,4,4,8,8' };
const doodl = { optimiser: 'doodl', learningRate: undefined } as const;
const pair = { sampler: 'edict', iterations: 1 } as const;
const TWO_SCORERS = `clip,clip=${fileURLToPath(new URL('../../../../fixtures/data/pipeline/clip', import.meta.url))}`;
const clip = { frames: 3 };
const reno = { optimiser: 'reno', learningRate: 5 } as const;
/** Of four steps two skip a layer. */
const skipping = {
  ...{ steps: 4, iterations: 0, guidanceScale: 3, width: 32, height: 32 },
  ...{ skipGuidanceLayers: '0', skipLayerGuidanceStart: 0.1, skipLayerGuidanceStop: 0.7 },
} as const;
const SPAN = { skipLayerGuidanceStart: undefined, skipLayerGuidanceStop: undefined };
const unguided = { ...SPAN, guidanceScale: 1 };
const noneSkipped = { ...SPAN, skipGuidanceLayers: '' };
const TRIALS: Readonly<Record<SettingKey, Trial>> = {
  width: { value: 24 },
  height: { value: 24 },
  frames: { value: 2 },
  fps: { under: clip, value: 12, off: { frames: 1 } },
  sharedNoise: { under: clip, value: 0.5, off: { frames: 1 } },
  lossFrames: { under: clip, value: 1, off: { frames: 1 } },
  fullGradientEvery: { under: { ...clip, lossFrames: 1 }, value: 1, off: { lossFrames: 0 } },
  // Two iterations later, as the motion leaves its band.
  motionWeight: { under: { ...clip, learningRate: 1 }, value: 50, off: { frames: 1 } },
  // Again, as the plain clip loses nothing by it.
  clipConsistencyWeight: { under: { ...clip, learningRate: 1 }, value: 50, off: { frames: 1 } },
  saliencyConsistencyWeight: { under: clip, value: 50, off: { frames: 1 } },
  steps: { value: 1 },
  guidanceScale: { value: 2 },
  guidanceStart: { value: 0.5, off: { guidanceScale: 1 } },
  guidanceStop: { value: 0.5, off: { guidanceScale: 1 } },
  guidanceRescale: { value: 0.7, off: { guidanceScale: 1 } },
  skipGuidanceLayers: { on: 'sd3', under: skipping, value: '1', off: unguided },
  skipLayerGuidanceScale: { on: 'sd3', under: skipping, value: 5, off: noneSkipped },
  skipLayerGuidanceStart: { on: 'sd3', under: skipping, value: 0.3, off: noneSkipped },
  skipLayerGuidanceStop: { on: 'sd3', under: skipping, value: 0.5, off: noneSkipped },
  sampler: { value: 'euler' },
  sigmas: { under: { sampler: 'dpm-solver' }, value: 'karras', off: { sampler: 'ddim' } },
  eta: { value: 1, off: { sampler: 'euler' } },
  stepEnds: { under: { steps: 7, iterations: 0 }, value: 'next', off: { sampler: 'euler' } },
  mixingWeight: { under: pair, value: 0.7, off: { sampler: 'ddim' } },
  promptSyntax: { value: 'plain' },
  clipSkip: { value: 2 },
  rng: { value: 'cuda' },
  optimiseFrom: { value: 1 },
  edictOutput: { under: pair, value: 'x', off: { sampler: 'ddim' } },
  trajectory: { under: pair, value: 'checkpointed', refused: 'invertible', off: { sampler: 'ddim' } },
  gradientSteps: { value: 1 },
  jacobianShare: { value: 0 },
  iterations: { value: 1 },
  keep: { under: { iterations: 3 }, value: 'last' },
  selector: {
    under: { iterations: 3, keep: 'objective' },
    value: 'hps-v2.1',
    off: { keep: 'last' },
  },
  patience: { under: { minImprovement: 50 }, value: 1 },
  // Without chance and regions, small steps do lower the loss.
  minImprovement: {
    under: { patience: 1, learningRate: 0.01, cutouts: 0, cutSize: undefined, lambda: 0 },
    value: 50,
    off: { patience: 0 },
  },
  targetClip: { value: -100 },
  objective: { under: { cutouts: undefined, cutSize: undefined }, value: 'clip@whole' },
  spreadPictures: {
    under: { objective: TWO_SCORERS },
    value: 2,
    off: { objective: 'clip' },
  },
  clipPrompt: { value: 'a blue boat' },
  textWeight: { under: { targetImages: [{ image: picture }] }, value: 0, off: { targetImages: undefined } },
  lambda: { value: 20, off: { saliency: 'none', ...NO_THRESHOLD } },
  saliency: { value: 'centre' },
  centreBias: { value: 'remove', off: { saliency: 'random', ...NO_THRESHOLD } },
  thresholdRule: { value: 'fixed', off: { saliency: 'judge', ...NO_THRESHOLD } },
  thresholdValue: { value: 0.9, off: { thresholdRule: 'otsu' } },
  regionPadding: { value: 0.5, off: { saliency: 'none', ...NO_THRESHOLD } },
  minRegionSide: { value: 0.9, off: { saliency: 'none', ...NO_THRESHOLD } },
  maxRegions: { value: 1, off: { saliency: 'none', ...NO_THRESHOLD } },
  saliencyEvery: { value: 0, off: { saliency: 'none', ...NO_THRESHOLD } },
  regionText: { value: 'parts', off: { lambda: 0 } },
  regionView: { value: 'mask', off: { lambda: 0 } },
  cutouts: { value: 3, off: { clipGuidanceScale: 0, cutSize: undefined } },
  cutSize: { value: 0.7, off: { cutouts: 0 } },
  cutPower: { value: 3, off: { cutouts: 0, cutSize: undefined } },
  cutReduction: { value: undefined, off: { cutouts: 0, cutSize: undefined } },
  saturatedGradient: {
    value: 'through',
    off: { clipGuidanceScale: 0, cutouts: undefined, cutSize: undefined },
  },
  optimiser: { value: 'normalised' },
  gradScale: { under: doodl, value: 5, off: { optimiser: 'adam' } },
  clipGradient: { under: doodl, value: 1e-5, off: { optimiser: 'adam' } },
  momentum: { value: 0.1 },
  nesterov: { under: doodl, value: true, off: { optimiser: 'adam' } },
  learningRate: { value: 0.3, off: { optimiser: 'doodl' } },
  perturbation: { value: 0.1, off: { optimiser: 'trust-region' } },
  renormalise: { value: false, off: { optimiser: 'line-search' } },
  clipGuidanceScale: { value: 1000 },
  steeringSteps: { value: 2 },
  steeringRate: { value: 0.5 },
  steeringStop: { value: 0.5 },
  boxes: { under: UNFOUND, value: '4,4,8,8' },
  regionPrompt: { value: 'a boat' },
  regionNegativePrompt: { under: { guidanceScale: 3 }, value: 'a boat', off: { guidanceScale: 1 } },
  minRegionMass: { value: 1, off: ONE_BOX },
  minRegionArea: { value: 1, off: ONE_BOX },
  maxRegionArea: { value: 0.001, off: ONE_BOX },
  regionOrder: { under: TWO_BOXES, value: 'left-to-right', off: { regionMerge: 'merge' } },
  regionOffsetX: { value: 4 },
  regionOffsetY: { value: 4 },
  regionDilation: { value: 3 },
  regionMerge: { value: 'invert' },
  detailStrength: { value: 1 },
  detailFeather: { value: 6 },
  onlyMasked: { under: TWO_BOXES, value: false },
  detailPadding: { under: TWO_BOXES, value: 9, off: { onlyMasked: false } },
  detailWidth: { value: 40 },
  detailHeight: { value: 40 },
  detailSteps: { value: 5 },
  detailGuidance: { value: 3 },
  detailSampler: { value: 'euler-ancestral' },
  detailClipSkip: { value: 2 },
  tokens: { value: 'cat' },
  require: { value: 'boat' },
  attentionLoss: { value: 'predicated' },
  attentionResolution: { value: 4 },
  attentionStepSize: { value: 1, off: { attendUntil: 0, refineThresholds: 'none' } },
  attendUntil: { value: 2 },
  refineThresholds: { value: 'none' },
  refineSteps: { value: 1, off: { refineThresholds: 'none' } },
  clipNorm: { under: reno, value: 1e-4, off: { optimiser: 'adam' } },
  normWeight: { under: reno, value: 1, off: { optimiser: 'adam' } },
  temperature: { under: { optimiser: 'pcn-langevin' }, value: 1, off: { optimiser: 'adam' } },
  budget: { value: '9calls' },
  neighbours: { under: { iterations: 3 }, value: 1 },
  similarity: { value: 0.5 },
  centres: { under: { iterations: 6, warmUp: 0 }, value: 1, off: { warmUp: 1 } },
  boxSide: { under: { warmUp: 0 }, value: 2, off: { warmUp: 1 } },
  warmUp: { under: { iterations: 4 }, value: 0.9 },
  particles: { value: 2 },
  resamplings: {
    under: { steps: 4, resampleStrength: 100 },
    value: 1,
    off: { particles: 1, resampleStrength: undefined },
  },
  resampleFrom: {
    under: { steps: 4, resampleStrength: 100 },
    value: 0.75,
    off: { resamplings: 0, resampleStrength: undefined },
  },
  resampleStrength: { under: { steps: 4 }, value: 100, off: { resamplings: 0 } },
  plan: { value: 'sgool:2' },
};

let pipeline: Pipeline;
let flow: Pipeline;
let model: Awaited<ReturnType<typeof writeTinyModel>>;
let flowModel: Awaited<ReturnType<typeof writeTinyFlow>>;
const pipelineOf = ({ on }: Trial) => (on === 'sd3' ? flow : pipeline);
beforeAll(async () => {
  flowModel = await writeTinyFlow('sd3-without-t5');
  flow = await loadPipeline(flowModel.dir);
  // With the spacing `leading` both of `stepEnds` are the same.
  model = await writeTinyModel({ scheduler: { timestep_spacing: 'trailing' } });
  pipeline = withMotion(await loadPipeline(model.dir));
});
afterAll(async () => {
  for (const one of [pipeline, flow]) await one.dispose();
  for (const one of [model, flowModel]) await one.remove();
});

const keys = Object.keys(SETTINGS) as SettingKey[];
/** The method that has a setting, the one with most settings first. */
const ownerOf = (key: SettingKey): MethodName =>
  defined(
    [...(['sgool', 'clip-guided'] as const), ...METHOD_NAMES].find((name) =>
      Object.hasOwn(methods[name].settings, key),
    ),
  );

const outcomes = new Map<string, Promise<string>>();
/** The outcome of a run, which is run once. */
function outcome(name: MethodName, request: MethodRequest, on: Pipeline): Promise<string> {
  const key = JSON.stringify([name, on.model.name, request], (_, value) =>
    ArrayBuffer.isView(value) ? '' : value,
  );
  const known = outcomes.get(key) ?? outcomeOf(name, request, on);
  outcomes.set(key, known);
  return known;
}

/** All that a run gives out but its seconds, or the error that it ends with. */
async function outcomeOf(name: MethodName, request: MethodRequest, on: Pipeline): Promise<string> {
  try {
    const all: unknown[] = [];
    for await (const { seconds, ...rest } of methods[name].run(on, requestTo(name, request))) {
      all.push(rest);
    }
    return JSON.stringify(all, (_, value) => (ArrayBuffer.isView(value) ? String(value) : value));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.message;
  }
}

const resolve = (name: MethodName, request: MethodRequest, info = pipeline.model) =>
  settingsOf(
    methods[name],
    { model: info },
    parseMethodRequest(requestTo(name, request), methods[name], METHODS),
  );

describe.each(keys)('%s', (key) => {
  const name = ownerOf(key);
  const { under, off } = TRIALS[key];
  const value = TRIALS[key].value ?? (name === 'clip-guided' ? 'min' : 'mean');

  it('changes the run', async () => {
    const request = { ...base, ...under };
    const on = pipelineOf(TRIALS[key]);
    const one = await outcome(name, request, on);
    const other = await outcome(name, { ...request, [key]: value }, on);
    expect(other === one).toBe(false);
    // Not every error says that the setting was read.
    if (other.startsWith('request')) expect(other).toMatch(new RegExp(`request: ${key} must`));
  });

  if (off) {
    // A setting that only one method switches off is tried with that method.
    const owner = 'clipGuidanceScale' in off ? 'clip-guided' : name;
    const request = { ...base, ...under, learningRate: undefined, [key]: undefined, ...off };
    const refused = TRIALS[key].refused ?? value;

    it('is refused where another setting switches it off, unless it asks for what the run has', () => {
      const info = pipelineOf(TRIALS[key]).model;
      const settings = resolve(owner, request, info);
      expect(() => resolve(owner, { ...request, [key]: refused }, info)).toThrow(
        new RegExp(`^request: ${key} ${refused} (has no effect with .*; it needs|weighs the text beside)`),
      );
      expect(resolve(owner, { ...request, [key]: settings[key as keyof typeof settings] }, info)).toEqual(
        settings,
      );
    });

    it('may come from a hint of the model', () => {
      const { defaults } = methods[owner];
      const hinted = { ...pipelineOf(TRIALS[key]).model, hint: { [owner]: { [key]: refused } } };
      expect(defaults(hinted)).toMatchObject({ [key]: refused });
      expect(() => resolve(owner, request, hinted)).not.toThrow();
    });
  }
});

it('names the setting, its value, what switches it off, and what it needs', () => {
  expect(() => resolve('sgool', { ...base, learningRate: 0.3, optimiser: 'doodl' })).toThrow(
    'request: learningRate 0.3 has no effect with optimiser doodl; it needs optimiser normalised, adam, sign, line-search, trust-region, reno or pcn-langevin',
  );
});

describe('what the size of the image switches off', () => {
  // The CLIP of the tiny model sees 16 pixels.
  const cut = { ...base, cutouts: undefined, cutSize: 1, width: 16, height: 16 } as const;
  const refused = (request: MethodRequest, name: MethodName = 'sgool') => {
    try {
      // The number of cutouts comes from the model's hint, which is no fault.
      resolve(name, request, { ...pipeline.model, hint: { '*': { cutouts: 5 } } });
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const isOff = (key: string) =>
    expect.stringMatching(
      new RegExp(`^request: ${key} \\S+ has no effect with cutSize 1; it needs a smaller cutSize`),
    );

  it('are cutouts of a small square image', () => {
    expect(refused({ ...cut, cutouts: 3 })).toEqual(isOff('cutouts'));
    expect(refused({ ...cut, cutReduction: 'mean' }, 'doodl')).toEqual(isOff('cutReduction'));
    expect(refused({ ...cut, cutPower: 3 }, 'doodl')).toEqual(isOff('cutPower'));
    expect(refused({ ...cut, cutouts: 0, cutSize: undefined })).toBeUndefined();
    for (const less of [{ width: 24, height: 24 }, { cutSize: 0.9 }]) {
      const other = { ...cut, ...less, cutouts: 3, cutPower: 3, cutReduction: 'mean' } as const;
      expect(refused(other, 'doodl')).toBeUndefined();
    }
    // 0.95 of 16 pixels are 16 whole ones.
    expect(refused({ ...cut, cutSize: 0.95, cutouts: 3 })).toMatch(
      /^request: cutouts 3 has no effect with cutSize 0.95/,
    );
  });

  it('is only their size where they can be elsewhere', () => {
    const wide = { ...cut, width: 24, cutouts: 3, cutReduction: 'mean' } as const;
    expect(refused(wide, 'doodl')).toBeUndefined();
    expect(refused({ ...wide, cutPower: 3 }, 'doodl')).toEqual(isOff('cutPower'));
  });

  it('is not known of another CLIP, or of none', () => {
    const other = { ...cut, cutouts: 3, objective: TWO_SCORERS };
    expect(refused(other)).toBeUndefined();
    expect(() =>
      resolve('sgool', { ...cut, cutouts: 3 }, { ...pipeline.model, clipSide: undefined }),
    ).not.toThrow();
  });

  it('is a side of a region below a pixel', () => {
    expect(refused({ ...base, width: 16, height: 24, minRegionSide: 1 / 16 })).toMatch(
      /^request: minRegionSide 0.0625 has no effect with width 16; it needs a share of more than one pixel/,
    );
    expect(refused({ ...base, width: 16, height: 24, minRegionSide: 0.07 })).toBeUndefined();
    expect(refused({ ...base, width: 16, height: 24, minRegionSide: 0 })).toBeUndefined();
  });
});

it('one cutout is not combined, and a place before the first step is none', () => {
  expect(() => resolve('doodl', { ...base, cutouts: 1, cutReduction: 'mean' })).toThrow(
    'request: cutReduction mean has no effect with cutouts 1; it needs several cutouts',
  );
  expect(() => resolve('sgool', { ...base, steps: 10, optimiseFrom: 0.09 })).toThrow(
    'request: optimiseFrom 0.09 has no effect with steps 10; it needs a share of at least one step',
  );
  expect(resolve('sgool', { ...base, steps: 10, optimiseFrom: 0.1 })).toMatchObject({ optimiseFrom: 0.1 });
});

it('refuses a mask that the saliency model does not read', () => {
  const mask = picture;
  expect(() => resolve('sgool', { ...base, mask })).toThrow(
    'request: mask has no effect with saliency spectral-residual; it needs saliency mask',
  );
  expect(resolve('sgool', { ...base, mask, saliency: 'mask' })).toMatchObject({ saliency: 'mask' });
});

it('refuses an interval of guidance for a network that takes the guidance scale as an input', () => {
  const embeds = { ...pipeline.model, embedsGuidance: true };
  expect(() => resolve('sd', { ...base, guidanceStop: 0.5 }, embeds)).toThrow(
    /guidanceStop 0.5 has no effect/,
  );
});

describe('without iterations', () => {
  const given = { ...base, learningRate: 0.3 };
  const hint = { sgool: { iterations: 0 } };

  it('refuses how the noise moves, if the request does not say that there are none', () => {
    const none = { ...pipeline.model, hint };
    expect(() => resolve('sgool', { ...given, iterations: undefined }, none)).toThrow(
      /optimiser adam has no effect with iterations 0; it needs iterations above 0/,
    );
    expect(resolve('sgool', { ...given, iterations: 0 }, none)).toMatchObject({ learningRate: 0.3 });
  });
});

it('names a negative prompt that is not read', () => {
  const { model } = pipeline;
  const note = (guidanceScale: number, negativePrompt: string, embedsGuidance = false) =>
    negativePromptNote(
      { settings: { guidanceScale }, model: { ...model, embedsGuidance } },
      { negativePrompt },
    );
  expect(note(1, 'blur')).toMatch(/no effect: the guidance scale is 1,/);
  expect(note(8, 'blur', true)).toMatch(/no effect: the model takes the guidance scale as an input/);
  expect([note(1.1, 'blur'), note(1, ''), note(8, '', true)]).toEqual([undefined, undefined, undefined]);
});

it('more frames than the clip has are named', () => {
  const request = { ...base, ...clip } as const;
  expect(() => resolve('sgool', { ...request, lossFrames: 5 })).toThrow(
    'request: lossFrames 5 has no effect with frames 3; it needs lossFrames up to frames',
  );
  expect(() => resolve('sgool', { ...request, lossFrames: 3 })).not.toThrow();
});

it('layers are named that no step leaves out', () => {
  const { model } = pipelineOf({ on: 'sd3', value: '' });
  // Between 0.02 and 0.4 there is no step.
  const request = { ...base, ...skipping, ...SPAN, steps: 2 };
  expect(() => resolve('sd', request, model)).toThrow(
    'skipGuidanceLayers 0 has no effect with steps 2; it needs a step strictly between skipLayerGuidanceStart',
  );
  expect(() => resolve('sd', { ...request, steps: 6 }, model)).not.toThrow();
});
