/** @file Values of settings and the methods that have them, written out for tests. */
import { detailSettings } from './settings/detail.ts';
import type { Settings } from './settings/index.ts';

/** A value of each setting that passes its schema. */
export const VALUES: Settings = {
  width: 64,
  height: 64,
  frames: 1,
  fps: 12,
  sharedNoise: 0.5,
  lossFrames: 2,
  fullGradientEvery: 2,
  motionWeight: 2,
  clipConsistencyWeight: 2,
  saliencyConsistencyWeight: 2,
  steps: 5,
  guidanceScale: 3,
  guidanceStart: 0,
  guidanceStop: 1,
  guidanceRescale: 0,
  sampler: 'ddim',
  sigmas: 'model',
  stepEnds: 'reference',
  eta: 0,
  mixingWeight: 0.9,
  promptSyntax: 'plain',
  clipSkip: 2,
  rng: 'cpu',
  edictOutput: 'x',
  trajectory: 'checkpointed',
  gradientSteps: 1,
  jacobianShare: 0.5,
  iterations: 2,
  budget: '640calls',
  keep: 'last',
  selector: 'clip',
  patience: 3,
  minImprovement: 0.1,
  targetClip: 50,
  objective: 'clip',
  spreadPictures: 0,
  clipPrompt: 'a cat',
  textWeight: 1,
  lambda: 2,
  saliency: 'centre',
  centreBias: 'remove',
  saliencyEvery: 2,
  thresholdRule: 'fixed',
  thresholdValue: 0.4,
  regionPadding: 0.2,
  minRegionSide: 0.3,
  maxRegions: 1,
  regionText: 'parts',
  regionView: 'mask',
  cutouts: 4,
  cutSize: 0.5,
  cutPower: 1,
  cutReduction: 'mean',
  saturatedGradient: 'through',
  optimiser: 'adam',
  gradScale: 2,
  clipGradient: 0.1,
  momentum: 0.5,
  nesterov: true,
  clipNorm: 0.2,
  normWeight: 0.1,
  temperature: 0.1,
  learningRate: 0.01,
  perturbation: 0,
  renormalise: false,
  optimiseFrom: 0.5,
  neighbours: 2,
  similarity: 0.9,
  centres: 3,
  boxSide: 0.5,
  warmUp: 0.5,
  particles: 3,
  resamplings: 2,
  resampleFrom: 0.5,
  resampleStrength: 2,
  clipGuidanceScale: 10,
  steeringSteps: 2,
  steeringRate: 0.2,
  steeringStop: 0.5,
  boxes: '8,8,16,16',
  regionPrompt: 'a cat [SEP] a boat',
  regionNegativePrompt: 'a dog',
  minRegionMass: 0.1,
  minRegionArea: 0.01,
  maxRegionArea: 0.5,
  regionOrder: 'left-to-right',
  regionOffsetX: 1,
  regionOffsetY: -1,
  regionDilation: -1,
  regionMerge: 'merge',
  detailStrength: 0.5,
  detailFeather: 3,
  onlyMasked: false,
  detailPadding: 6,
  detailWidth: 48,
  detailHeight: 40,
  detailSteps: 6,
  detailGuidance: 2,
  detailSampler: 'euler',
  detailClipSkip: 2,
  tokens: 'cat',
  require: 'cat and boat',
  attentionLoss: 'predicated',
  attentionResolution: 8,
  attentionStepSize: 10,
  attendUntil: 2,
  refineThresholds: '0:0.1,0.5:0.2',
  refineSteps: 3,
  plan: 'best-of:2, zero-order:3',
};

/** The methods that search without gradients. */
const SEARCHES = ['best-of', 'zero-order', 'trust-region-search', 'resampling', 'free-init'];

/** The methods that have a setting, if not all have it. */
const OWNERS: Readonly<Record<string, readonly string[] | undefined>> = {
  ...keyed(
    ['optimiseFrom', 'edictOutput', 'trajectory', 'gradientSteps', 'jacobianShare', 'motionWeight'],
    ['doodl', 'sgool'],
  ),
  ...keyed(['fullGradientEvery', 'clipConsistencyWeight', 'saliencyConsistencyWeight'], ['doodl', 'sgool']),
  ...keyed(['lossFrames'], ['clip-guided', 'doodl', 'sgool', 'flowchef']),
  ...keyed(['iterations', 'budget', 'targetClip'], ['doodl', 'sgool', ...SEARCHES]),
  ...keyed(
    ['clipPrompt', 'textWeight', 'objective', 'spreadPictures'],
    ['clip-guided', 'doodl', 'sgool', 'best-of', 'flowchef', ...SEARCHES.slice(1)],
  ),
  ...keyed(['selector'], ['clip-guided', 'doodl', 'sgool', 'flowchef', 'free-init']),
  ...keyed(['keep'], ['clip-guided', 'doodl', 'sgool', 'attend-and-excite', 'flowchef', 'free-init']),
  ...keyed(['patience', 'minImprovement'], ['doodl', 'sgool']),
  ...keyed(['lambda', 'saliencyEvery', 'regionView'], ['sgool']),
  ...keyed(['saliency', 'centreBias', 'thresholdRule', 'thresholdValue'], ['sgool', 'detail']),
  ...keyed(['regionPadding', 'minRegionSide', 'maxRegions', 'regionText'], ['sgool', 'detail']),
  ...keyed(Object.keys(detailSettings) as (keyof Settings)[], ['detail']),
  ...keyed(['cutouts', 'cutSize', 'cutPower', 'cutReduction'], ['clip-guided', 'doodl', 'sgool', 'flowchef']),
  ...keyed(['saturatedGradient'], ['clip-guided', 'doodl', 'sgool', 'flowchef']),
  ...keyed(['optimiser', 'gradScale', 'clipGradient', 'momentum', 'nesterov'], ['doodl', 'sgool']),
  ...keyed(['learningRate', 'perturbation', 'renormalise'], ['doodl', 'sgool']),
  ...keyed(['clipNorm', 'normWeight', 'temperature'], ['doodl', 'sgool']),
  ...keyed(['neighbours', 'similarity'], ['zero-order']),
  ...keyed(['centres', 'boxSide', 'warmUp'], ['trust-region-search']),
  ...keyed(['particles', 'resamplings', 'resampleFrom', 'resampleStrength'], ['resampling']),
  ...keyed(['clipGuidanceScale'], ['clip-guided']),
  ...keyed(['steeringSteps', 'steeringRate', 'steeringStop'], ['flowchef']),
  ...keyed(['tokens', 'require', 'attentionLoss', 'attentionResolution'], ['attend-and-excite']),
  ...keyed(['attentionStepSize', 'attendUntil', 'refineThresholds', 'refineSteps'], ['attend-and-excite']),
};

function keyed(keys: readonly (keyof Settings)[], names: readonly string[]) {
  return Object.fromEntries(keys.map((key) => [key, names]));
}

/** Settings that no plan has: its stages have them, or no method that can be one. */
const NOT_OF_PLANS = [
  ...Object.keys(detailSettings),
  ...['iterations', 'keep', 'selector', 'clipGuidanceScale', 'steeringSteps', 'steeringRate', 'steeringStop'],
  ...['tokens', 'require', 'attentionLoss', 'attentionResolution'],
  ...['attentionStepSize', 'attendUntil', 'refineThresholds', 'refineSteps'],
];

/** The methods that have a setting, and how error messages say it. */
export function ownersOf(key: string, all: readonly string[]): { names: readonly string[]; text: string } {
  const single = all.filter((name) => name !== 'plan');
  const owners = key === 'plan' ? ['plan'] : (OWNERS[key] ?? single);
  const names = NOT_OF_PLANS.includes(key) || key === 'plan' ? owners : [...owners, 'plan'];
  const [last, ...others] = owners.toReversed();
  const text =
    others.length === 0 ? `${last} has it` : `${others.toReversed().join(', ')} and ${last} have it`;
  return { names, text };
}
