/**
 * @file Which settings others switch off: a setting that a request gives is read, or refused in one line.
 *
 * A setting that comes from a preset or a hint of the model is no fault. Neither is a value that the run would have anyway: the
 * record of a run names the values of all settings.
 */
import { isPairSampler, PAIR_SAMPLERS, SAMPLER_OPTIONS } from '../diffusion/sampler-names.ts';
import { oneOf, UserError } from '../errors.ts';
import { cutoutSides } from '../image/crops.ts';
import type { ModelInfo } from '../models/model-info.ts';
import { skipsAt } from '../models/skip-layer-guidance.ts';
import { hasThresholds } from './attention-losses.ts';
import { givesMap } from './detectors.ts';
import { DEFAULT_OBJECTIVE, parseObjective } from './objective-text.ts';
import type { Inputs, ParsedRequest } from './request.ts';
import { differentiationSettings } from './settings/differentiation.ts';
import type { SettingKey, Settings } from './settings/index.ts';
import { OPTIMISER_NAMES, OPTIMISER_READS, optimiserSettings } from './settings/optimiser.ts';
import { detectionSettings, regionSettings } from './settings/regions.ts';
import { stepOf } from './step-of.ts';

/** What decides whether a setting has an effect. */
export interface EffectContext {
  /** As resolved. */
  readonly settings: Partial<Settings>;
  /** What the request gives. */
  readonly given: Partial<Settings> & Inputs;
  readonly model: Pick<ModelInfo, 'embedsGuidance' | 'clipSide'>;
}

/** A condition under which some settings have an effect. */
interface EffectRule {
  readonly keys: readonly (SettingKey | keyof Inputs)[];
  /** The setting that switches them; for methods that do not have it, the rule says nothing. */
  readonly by: SettingKey;
  isRead(context: EffectContext): boolean;
  /** What gives them an effect, for messages. */
  readonly needs: string;
  /** The value that asks for nothing, by key, where there is one: what a run has where the setting is not read. */
  readonly neutral?: Partial<Settings>;
}

/** What optimisers do that do not read these. */
const PLAIN_MOVE: Partial<Settings> = { nesterov: false, perturbation: 0, renormalise: true };

/** Whether the model is asked twice in each step, with the prompt and with the negative one. */
const isGuided = ({
  settings: { guidanceScale = 0, detailGuidance = 0 },
  model,
}: Omit<EffectContext, 'given'>): boolean =>
  Math.max(guidanceScale, detailGuidance) > 1 && !model.embedsGuidance;

/** Whether salient regions are in the loss. */
const hasRegionLoss = ({ settings: { lambda = 0 } }: Omit<EffectContext, 'given'>): boolean => lambda > 0;

/** What finds the regions of the detail pass, and which of them count. */
const FINDING_KEYS = [
  ...(Object.keys(detectionSettings) as (keyof typeof detectionSettings)[]),
  ...(['minRegionMass', 'minRegionArea', 'maxRegionArea'] as const),
];

const scorersOf = ({ objective = DEFAULT_OBJECTIVE }: Partial<Settings>) => parseObjective(objective);

const hasSeveral = (objective = '') =>
  objective !== '' && new Set(parseObjective(objective).map(({ name }) => name)).size > 1;

/** Whether a scorer of the objective sees salient regions. */
const seesRegions = ({ settings }: Omit<EffectContext, 'given'>): boolean =>
  scorersOf(settings).some(({ place }) => place !== 'whole');

const CUTOUT_KEYS = ['cutSize', 'cutPower', 'cutReduction'] as const;

/** What of random cutouts can differ. Without the model's CLIP, or with another one beside it, it is not known: all of it. */
function cutoutsVary({ settings, model: { clipSide: side } }: Omit<EffectContext, 'given'>) {
  const { width = 0, height = 0, cutSize = 0 } = settings;
  const areOthers = scorersOf(settings).some(
    ({ scorer }) => scorer.kind === 'clip' && (scorer.folder !== undefined || scorer.part !== undefined),
  );
  if (side === undefined || areOthers) return { size: true, place: true };
  const { smallest, largest } = cutoutSides(cutSize, { width, height, side });
  return { size: smallest < largest, place: smallest < largest || width !== height };
}

/** The rules, of which all that name a setting hold. */
const EFFECT_RULES: readonly EffectRule[] = [
  ...Object.entries(SAMPLER_OPTIONS).map(([key, option]): EffectRule => {
    const names: readonly string[] = option.readBy;
    return {
      keys: [key as keyof typeof SAMPLER_OPTIONS],
      by: 'sampler',
      isRead: ({ settings }) => names.includes(settings.sampler ?? ''),
      needs: `sampler ${oneOf(names)}`,
      ...('neutral' in option ? { neutral: { [key]: option.neutral } } : {}),
    };
  }),
  {
    // The others have no exact inverse.
    keys: ['trajectory'],
    by: 'sampler',
    isRead: ({ settings }) => isPairSampler(settings.sampler ?? ''),
    needs: `sampler ${oneOf(PAIR_SAMPLERS)}`,
    neutral: { trajectory: 'checkpointed' },
  },
  {
    keys: ['guidanceStart', 'guidanceStop', 'guidanceRescale'],
    by: 'guidanceScale',
    isRead: isGuided,
    needs: 'classifier-free guidance: guidanceScale above 1, and a model that does not take it as an input',
    neutral: { guidanceStart: 0, guidanceStop: 1, guidanceRescale: 0 },
  },
  {
    keys: ['skipGuidanceLayers'],
    by: 'guidanceScale',
    isRead: isGuided,
    needs: 'classifier-free guidance: guidanceScale above 1, and a model that does not take it as an input',
    neutral: { skipGuidanceLayers: '' },
  },
  {
    keys: ['skipLayerGuidanceScale', 'skipLayerGuidanceStart', 'skipLayerGuidanceStop'],
    by: 'skipGuidanceLayers',
    isRead: ({ settings: { skipGuidanceLayers = '' } }) => skipGuidanceLayers !== '',
    needs: 'layers in skipGuidanceLayers',
  },
  {
    keys: ['skipGuidanceLayers'],
    by: 'steps',
    isRead({ settings }) {
      const { steps = 0, skipLayerGuidanceStart: start = 0, skipLayerGuidanceStop: stop = 0 } = settings;
      // Where they are the wrong way round, that is said.
      return (
        start >= stop || Array.from({ length: steps }).some((_, i) => skipsAt({ start, stop }, i, steps))
      );
    },
    needs: 'a step strictly between skipLayerGuidanceStart and skipLayerGuidanceStop times their number',
    neutral: { skipGuidanceLayers: '' },
  },
  {
    keys: [
      ...(['fps', 'sharedNoise', 'lossFrames', 'fullGradientEvery'] as const),
      ...(['motionWeight', 'clipConsistencyWeight', 'saliencyConsistencyWeight'] as const),
    ],
    by: 'frames',
    isRead: ({ settings: { frames = 1 } }) => frames > 1,
    needs: 'frames above 1',
    neutral: {
      sharedNoise: 0,
      fullGradientEvery: 0,
      clipConsistencyWeight: 0,
      saliencyConsistencyWeight: 0,
    },
  },
  {
    keys: ['lossFrames'],
    by: 'frames',
    isRead: ({ settings: { lossFrames = 0, frames = 1 } }) => lossFrames <= frames,
    needs: 'lossFrames up to frames',
  },
  {
    // All frames are taken in every iteration otherwise.
    keys: ['fullGradientEvery'],
    by: 'lossFrames',
    isRead: ({ settings: { lossFrames = 0, frames = 1 } }) => lossFrames > 0 && lossFrames < frames,
    needs: 'lossFrames from 1 to less than frames',
    neutral: { fullGradientEvery: 0 },
  },
  {
    keys: ['optimiseFrom'],
    by: 'steps',
    isRead: ({ settings: { optimiseFrom = 0, steps = 0 } }) => stepOf(optimiseFrom, steps) > 0,
    needs: 'a share of at least one step',
    neutral: { optimiseFrom: 0 },
  },
  {
    keys: ['minImprovement'],
    by: 'patience',
    isRead: ({ settings: { patience = 0 } }) => patience > 0,
    needs: 'patience above 0',
    neutral: { minImprovement: 0 },
  },
  {
    keys: ['mask'],
    by: 'saliency',
    isRead: ({ settings }) => settings.saliency === 'mask',
    needs: 'saliency mask',
  },
  {
    keys: ['centreBias', 'thresholdRule'],
    by: 'saliency',
    isRead: ({ settings }) => givesMap(settings.saliency ?? ''),
    needs: 'a saliency model that gives a map',
    neutral: { centreBias: 'keep' },
  },
  {
    keys: [
      ...Object.keys(regionSettings).filter((key) => key !== 'saliency'),
    ] as (keyof typeof regionSettings)[],
    by: 'saliency',
    // Boxes of the detail pass are regions, whatever the saliency model.
    isRead: ({ settings: { saliency, boxes = '' } }) => saliency !== 'none' || boxes !== '',
    needs: 'another saliency model',
    neutral: { regionText: 'prompt', regionView: 'crop', centreBias: 'keep' },
  },
  {
    keys: ['minRegionSide'],
    by: 'width',
    // The detail pass may see an image of another size.
    isRead: ({ settings: { minRegionSide = 0, width = 0, height = 0, boxes } }) =>
      boxes !== undefined || minRegionSide * Math.min(width, height) > 1,
    needs: 'a share of more than one pixel of the shorter side',
    neutral: { minRegionSide: 0 },
  },
  {
    keys: ['thresholdValue'],
    by: 'thresholdRule',
    isRead: ({ settings }) => settings.thresholdRule !== 'otsu',
    needs: 'thresholdRule quantile or fixed',
  },
  {
    keys: ['regionView'],
    by: 'lambda',
    isRead: hasRegionLoss,
    needs: 'lambda above 0',
    neutral: { regionView: 'crop' },
  },
  {
    keys: ['regionText'],
    by: 'lambda',
    // The detail pass reads it too.
    isRead: (context) => hasRegionLoss(context) || context.settings.boxes !== undefined,
    needs: 'lambda above 0',
    neutral: { regionText: 'prompt' },
  },
  {
    keys: FINDING_KEYS,
    by: 'boxes',
    isRead: (context) => context.settings.boxes === '' || context.settings.lambda !== undefined,
    needs: 'no boxes',
    neutral: { centreBias: 'keep', minRegionMass: 0, minRegionArea: 0, maxRegionArea: 1 },
  },
  {
    keys: ['regionText', 'regionOrder'],
    by: 'regionMerge',
    isRead: ({ settings }) => settings.regionMerge === 'none',
    needs: 'regionMerge none',
    neutral: { regionText: 'prompt', regionOrder: 'saliency' },
  },
  {
    keys: ['detailPadding'],
    by: 'onlyMasked',
    isRead: ({ settings }) => settings.onlyMasked === true,
    needs: 'onlyMasked',
  },
  {
    keys: ['regionNegativePrompt'],
    by: 'guidanceScale',
    isRead: ({ settings: { guidanceScale = 0, detailGuidance = 0 }, model }) =>
      (detailGuidance || guidanceScale) > 1 && !model.embedsGuidance,
    needs: 'classifier-free guidance of the regions',
    neutral: { regionNegativePrompt: '' },
  },
  {
    keys: ['selector'],
    by: 'keep',
    isRead: ({ settings: { keep } }) => keep === 'objective',
    needs: 'keep objective',
    neutral: { selector: '' },
  },
  {
    keys: ['spreadPictures'],
    by: 'objective',
    isRead: ({ settings }) => hasSeveral(settings.objective) || hasSeveral(settings.selector),
    needs: 'several scorers',
  },
  {
    keys: ['lambda', 'regionView'],
    by: 'objective',
    isRead: seesRegions,
    needs: 'a scorer that sees the regions',
    neutral: { regionView: 'crop' },
  },
  {
    keys: ['maxRegions', 'regionText'],
    by: 'objective',
    // The detail pass reads them too.
    isRead: (context) => seesRegions(context) || context.settings.boxes !== undefined,
    needs: 'a scorer that sees the regions',
    neutral: { regionText: 'prompt' },
  },
  {
    keys: ['cutouts', ...CUTOUT_KEYS],
    by: 'objective',
    isRead: ({ settings }) =>
      scorersOf(settings).some(({ scorer, place }) => scorer.kind === 'clip' && place !== 'regions'),
    needs: 'a CLIP that sees the whole image',
    neutral: { cutouts: 0 },
  },
  {
    keys: CUTOUT_KEYS,
    by: 'cutouts',
    isRead: ({ settings: { cutouts = 0 } }) => cutouts > 0,
    needs: 'cutouts above 0',
  },
  {
    keys: ['cutReduction'],
    by: 'cutouts',
    isRead: ({ settings: { cutouts } }) => cutouts !== 1,
    needs: 'several cutouts',
  },
  {
    // No cutouts at all are another view than cutouts that are all the whole image.
    keys: ['cutouts', 'cutReduction'],
    by: 'cutSize',
    isRead: (context) => context.settings.cutouts === 0 || cutoutsVary(context).place,
    needs: "a smaller cutSize, or an image that is not square or is larger than CLIP's input",
  },
  {
    keys: ['cutPower'],
    by: 'cutSize',
    isRead: (context) => cutoutsVary(context).size,
    needs: "a smaller cutSize, or an image whose shorter side is larger than CLIP's input",
  },
  {
    keys: ['cutouts', ...CUTOUT_KEYS, 'saturatedGradient'],
    by: 'clipGuidanceScale',
    isRead: ({ settings: { clipGuidanceScale = 0 } }) => clipGuidanceScale > 0,
    needs: 'clipGuidanceScale above 0',
  },
  ...(Object.keys(optimiserSettings) as (keyof typeof optimiserSettings)[])
    .filter((key) => key !== 'optimiser')
    .map((key): EffectRule => {
      const names = OPTIMISER_NAMES.filter((name) =>
        (OPTIMISER_READS[name] as readonly string[]).includes(key),
      );
      return {
        keys: [key],
        by: 'optimiser',
        isRead: ({ settings: { optimiser } }) => optimiser !== undefined && names.includes(optimiser),
        needs: `optimiser ${oneOf(names)}`,
        neutral: PLAIN_MOVE,
      };
    }),
  {
    keys: ['nesterov'],
    by: 'momentum',
    isRead: ({ settings: { momentum = 0 } }) => momentum > 0,
    needs: 'momentum above 0',
    neutral: { nesterov: false },
  },
  {
    keys: ['resamplings', 'resampleFrom', 'resampleStrength'],
    by: 'particles',
    isRead: ({ settings: { particles = 0 } }) => particles > 1,
    needs: 'particles above 1',
  },
  {
    keys: ['resampleFrom', 'resampleStrength'],
    by: 'resamplings',
    isRead: ({ settings: { resamplings = 0 } }) => resamplings > 0,
    needs: 'resamplings above 0',
  },
  {
    keys: ['centres', 'boxSide'],
    by: 'warmUp',
    isRead: ({ settings: { warmUp = 0 } }) => warmUp < 1,
    needs: 'warmUp below 1',
  },
  {
    keys: ['refineSteps'],
    by: 'refineThresholds',
    isRead: ({ settings }) => hasThresholds(settings),
    needs: 'thresholds: those of a loss that has some (published), or pairs of step and threshold',
  },
  {
    keys: ['tokens', 'require', 'attentionLoss', 'attentionResolution', 'attentionStepSize'],
    by: 'attendUntil',
    isRead: ({ settings: { attendUntil = 0, ...settings } }) => attendUntil > 0 || hasThresholds(settings),
    needs: 'attendUntil above 0, or refineThresholds',
  },
  {
    // Whoever asks for no iterations knows that the noise does not move. Where that is only the default, it has to be said.
    keys: [
      ...(Object.keys(optimiserSettings) as (keyof typeof optimiserSettings)[]),
      ...(Object.keys(differentiationSettings) as (keyof typeof differentiationSettings)[]),
    ],
    by: 'iterations',
    isRead: ({ settings: { iterations = 0 }, given }) => iterations > 0 || given.iterations === 0,
    needs: 'iterations above 0',
  },
];

/**
 * The settings, where what is not read has its neutral value.
 *
 * @param context `settings` with what the request gives over the defaults
 * @param defaults what the run would have without the request
 * @throws UserError for a value of the request that another setting switches off
 */
export function withoutUnread<S extends Partial<Settings>>(
  context: EffectContext & { readonly settings: S },
  defaults: Partial<Settings>,
): S {
  const { settings, given } = context;
  const neutral: Partial<Settings> = {};
  for (const rule of EFFECT_RULES) {
    if (settings[rule.by] === undefined || rule.isRead(context)) continue;
    const wouldBe: Readonly<Record<string, unknown>> = { ...defaults, ...rule.neutral };
    for (const key of rule.keys) {
      const value = given[key];
      if (value !== undefined && value !== wouldBe[key]) {
        const shown = typeof value === 'object' ? key : `${key} ${value}`;
        throw new UserError(
          `request: ${shown} has no effect with ${rule.by} ${settings[rule.by]}; it needs ${rule.needs}`,
        );
      }
    }
    const unread = Object.entries(rule.neutral ?? {}).filter(
      ([key]) => (rule.keys as readonly string[]).includes(key) && Object.hasOwn(settings, key),
    );
    Object.assign(neutral, Object.fromEntries(unread));
  }
  return { ...settings, ...neutral };
}

/** Those of resolved settings that are read; the others have no effect. */
export function readSettings<S extends Partial<Settings>>(
  settings: S,
  model: EffectContext['model'],
): Partial<S> {
  const context = { settings, given: settings, model };
  const unread = EFFECT_RULES.filter(
    (rule) => settings[rule.by] !== undefined && !rule.isRead(context),
  ).flatMap(({ keys }): readonly string[] => keys);
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !unread.includes(key))) as Partial<S>;
}

/**
 * One line for the user where the negative prompt is not read; undefined where it is, or there is none. It is no reason to refuse the
 * run: prompts are often kept in pairs, for models of every kind.
 *
 * @param context `settings` as resolved
 */
export function negativePromptNote(
  context: Omit<EffectContext, 'given'>,
  { negativePrompt }: Pick<ParsedRequest, 'negativePrompt'>,
): string | undefined {
  if (negativePrompt === '' || isGuided(context)) return undefined;
  const { guidanceScale } = context.settings;
  const cause = context.model.embedsGuidance
    ? 'the model takes the guidance scale as an input'
    : `the guidance scale is ${guidanceScale}, and guidance begins above 1`;
  return `the negative prompt has no effect: ${cause}`;
}
