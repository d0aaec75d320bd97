/**
 * @file A plan: methods that follow one another, each from the best noise so far. A search first and a refinement after it spend
 * a budget on what each does best.
 *
 * All stages run with one set of settings, so that a noise makes the same image in each: the defaults are those of the last method
 * of the plan that has the setting. The best image has the highest score by the objective, whatever stage it is from.
 */
import { UserError } from '../errors.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { resolveSeed, type Seed } from '../random/seed.ts';
import { readBudget } from '../request/budget.ts';
import { checkHint, commonDefaults, takesHints } from '../request/defaults.ts';
import { readSettings } from '../request/effect.ts';
import { parseObjective } from '../request/objective-text.ts';
import {
  hasOption,
  INPUTS,
  listOf,
  type MethodRequest,
  type MethodSchema,
  type ParsedRequest,
  parseMethodRequest,
} from '../request/request.ts';
import { type MethodSettings, SETTINGS, type Settings } from '../request/settings/index.ts';
import { type PlanSettings, planSettings } from '../request/settings/plan.ts';
import { pickSettings, type SettingsShape } from '../request/settings/shape.ts';
import { settingsOf } from './run/create-method.ts';
import type { Iteration, MethodState, RunOptions } from './run/iteration.ts';
import type { Method, MethodFacts } from './run/method.ts';
import { refuseOtherState } from './run/run.ts';

const NAME = 'plan';

/** Settings that each stage has for itself: how long it runs, and which of its images counts. */
const OF_STAGES: readonly string[] = ['iterations', 'keep', 'selector'];

export type PlanMethodSettings = MethodSettings & PlanSettings;

/** What a plan says of itself, made of those methods whose iterations can be counted. */
export function planFacts(methods: readonly MethodFacts[]): MethodFacts<typeof NAME> {
  const stages = methods.filter(canBeStage);
  const keys = stages.flatMap(({ settings }) => Object.keys(settings));
  const shared = Object.entries(SETTINGS).filter(([key]) => keys.includes(key) && !OF_STAGES.includes(key));
  return {
    name: NAME,
    summary: 'methods one after the other, each from the best noise so far',
    cost: 'the sum of its methods',
    useFor: 'a search that finds the composition, and a gradient that refines it',
    settings: { ...(Object.fromEntries(shared) as SettingsShape), ...planSettings },
    inputs: INPUTS,
    movesNoise: false,
    noiseMakesImage: false,
    isComposed: true,
  };
}

/** @throws UserError where each stage would measure spreads of its own, and their scores could not be compared */
function checkScales({ objective, spreadPictures = 0 }: Partial<Settings>): void {
  if (objective === undefined || spreadPictures === 0) return;
  if (new Set(parseObjective(objective).map(({ name }) => name)).size <= 1) return;
  throw new UserError(
    `plan: an objective of several scorers has another scale in each stage (spreadPictures ${spreadPictures}); give spreadPictures 0 and weights of your own`,
  );
}

const canBeStage = ({ settings }: MethodSchema) => Object.hasOwn(settings, 'iterations');

/** A method of a plan. */
interface Stage {
  readonly method: Method;
  /** Iterations after its first image; absent where it has a share of the budget. */
  readonly iterations?: number;
  /** Of the budget, 0 to 1. */
  readonly share?: number;
}

/** Where a plan stands. */
interface PlanState {
  /** Index of the stage, what it began from, the state that it goes on from, and its budget. */
  readonly stage: number;
  readonly from?: StageStart;
  readonly stageState?: MethodState;
  readonly stageBudget?: string;
  /** What the stages before this one, and FLOPs up to now, came to. */
  readonly before: Totals;
  readonly flops: number;
  /** What the first image cost, in the unit of the budget. */
  readonly price: number;
  readonly best?: Best;
}

interface Totals {
  readonly iterations: number;
  readonly forward: number;
  readonly pullback: number;
  readonly seconds: number;
}

/** What a stage begins from: the noise of the seed, or another one. */
interface StageStart {
  readonly noise?: Float64Array;
  readonly seed: Seed;
}

/** The best image so far, as what makes it. */
interface Best extends StageStart {
  readonly noise: Float64Array;
  readonly score: number;
  readonly clip?: number;
}

/**
 * Makes the method.
 *
 * @param facts its own
 * @param methods all others
 * @param all facts of all methods, which are named where a request has an option of another one
 */
export function createPlan(
  facts: MethodFacts<typeof NAME>,
  methods: readonly Method[],
  all: readonly MethodSchema[],
): Method<typeof NAME, PlanMethodSettings> {
  const method: Method<typeof NAME, PlanMethodSettings> = {
    ...facts,
    defaults(model, preset, request) {
      const { plan, budget } = commonDefaults(model);
      const hint: Partial<Settings> = takesHints(preset) ? checkHint(NAME, facts.settings, model) : {};
      const stages = stagesOf(request?.plan ?? hint.plan ?? plan, methods);
      const merged: Record<string, unknown> = Object.assign(
        {},
        ...stages.map((stage) => stage.method.defaults(model, preset)),
      );
      return { ...pickSettings(facts.settings, merged), budget, plan, ...hint } as PlanMethodSettings;
    },
    check: (settings, model) => {
      checkScales(settings);
      for (const stage of stagesOf(settings.plan, methods)) stage.method.check?.(settings, model);
    },
    roles(settings) {
      const stages = stagesOf(settings.plan, methods).map((stage) =>
        stage.method.roles({ ...settings, keep: 'clip' }),
      );
      const union = (names: readonly (readonly string[])[]) => [...new Set(names.flat())];
      return {
        guides: union(stages.map(({ guides }) => guides)),
        selects: union(stages.map(({ selects }) => selects)),
      };
    },
    async *run(pipeline, input, options = {}) {
      const request = parseMethodRequest(input, method, all);
      refuseOtherState(NAME, request.seed, options.state);
      const settings = settingsOf(method, pipeline, request);
      const stages = stagesOf(settings.plan, methods);
      refuseUnusable(stages, settings, request);
      yield* runStages(pipeline, stages, settings, request, options);
    },
  };
  return method;
}

/** Reads a plan. @throws UserError where it names what is no stage */
function stagesOf(text: string, methods: readonly Method[]): Stage[] {
  const possible = methods.filter(canBeStage);
  const stages = text.split(',').map((item): Stage => {
    const [name, amount] = item.split(':').map((part) => part.trim());
    const method = possible.find((one) => one.name === name);
    if (!method) {
      throw new UserError(
        `plan: ${name} cannot be a part of one, in ${JSON.stringify(text)}; choose from ${possible.map((one) => one.name).join(', ')}`,
      );
    }
    const number = Number.parseFloat(amount);
    if (amount.endsWith('%')) return { method, share: number / 100 };
    if (Number.isInteger(number)) return { method, iterations: number };
    throw new UserError(`plan: iterations of ${name} must be a whole number, got ${amount}`);
  });
  const early = stages.slice(0, -1).find((stage) => !stage.method.noiseMakesImage);
  if (early) {
    throw new UserError(
      `plan: ${early.method.name} has no noise that makes its image again, so nothing can follow it, in ${JSON.stringify(text)}; put it last`,
    );
  }
  const all = stages.reduce((total, { share = 0 }) => total + share, 0);
  if (all > 1 + 1e-9) {
    throw new UserError(
      `plan: the shares of the budget are ${Math.round(100 * all)}% in all, in ${JSON.stringify(text)}`,
    );
  }
  return stages;
}

/** @throws UserError where a setting has no effect in this plan, or the plan needs one */
function refuseUnusable(
  stages: readonly Stage[],
  { plan, budget, optimiseFrom = 0 }: PlanMethodSettings,
  request: ParsedRequest,
): void {
  const names = listOf([...new Set(stages.map(({ method }) => method.name))]);
  const unused = [...Object.keys(SETTINGS), ...Object.keys(INPUTS)].find(
    (key) =>
      request[key as keyof ParsedRequest] !== undefined &&
      !Object.hasOwn(planSettings, key) &&
      !stages.some(({ method }) => hasOption(method, key)),
  );
  if (unused !== undefined) {
    throw new UserError(`plan: ${unused} has no effect on ${names}; leave it out`);
  }
  if (!budget && stages.some(({ share }) => share !== undefined)) {
    throw new UserError(
      `plan: ${JSON.stringify(plan)} shares a budget, and there is none; give one, such as 640calls, or numbers of iterations`,
    );
  }
  if (optimiseFrom > 0 && stages.slice(0, -1).some(({ method }) => hasOption(method, 'optimiseFrom'))) {
    throw new UserError(
      `plan: optimiseFrom ${optimiseFrom} moves a later latent than the noise that is handed over; put that method last, or give 0`,
    );
  }
}

async function* runStages(
  pipeline: Pipeline,
  stages: readonly Stage[],
  settings: PlanMethodSettings,
  request: ParsedRequest,
  { noise, state, onStep, onState, ...options }: RunOptions,
): AsyncGenerator<Iteration> {
  const seed = state?.seed ?? resolveSeed(request.seed);
  const budget = settings.budget ? readBudget(settings.budget) : undefined;
  const found = state?.parts.plan as PlanState | undefined;
  let before: Totals = found?.before ?? { iterations: 0, forward: 0, pullback: 0, seconds: 0 };
  let best: Best | undefined = found?.best;
  let price = found?.price ?? 0;
  const flopsBefore = (found?.flops ?? 0) - pipeline.meter.flops;
  const flops = () => flopsBefore + pipeline.meter.flops;
  const spentBy = ({ forward, pullback, seconds }: Omit<Totals, 'iterations'>) =>
    ({ calls: forward + pullback, flops: flops(), s: seconds })[budget?.unit ?? 'calls'];

  for (let at = found?.stage ?? 0; at < stages.length; at++) {
    const { method, iterations, share } = stages[at];
    const goesOn = at === found?.stage ? found : undefined;
    const isLast = at === stages.length - 1;
    const left = budget ? budget.limit - spentBy(before) : Number.POSITIVE_INFINITY;
    // Not even the image that the stage begins with.
    if (!goesOn?.stageState && at > 0 && left < price) return;
    const limit = share === undefined || isLast ? left : Math.min(left, share * (budget?.limit ?? 0));
    const stageBudget = goesOn?.stageBudget ?? (budget && `${limit}${budget.unit}`);
    const wanted = pickSettings(method.settings, {
      ...settings,
      iterations,
      keep: 'objective',
      budget: stageBudget ?? '',
    });
    // What this stage does not read may differ from its own defaults: it is that of another one.
    const stageSettings = readSettings(wanted, pipeline.model);
    const from: StageStart = goesOn?.from ?? best ?? { ...(noise && { noise }), seed };
    const start: Totals = before;
    const planned = (own: number) =>
      start.iterations +
      own +
      stages.slice(at + 1).reduce((sum, next) => sum + 1 + (next.iterations ?? 0), 0);
    const saved = (stage: number, more: Partial<PlanState>, iteration: number) =>
      onState?.({
        method: NAME,
        seed,
        iteration,
        parts: { plan: { stage, before, flops: flops(), price, best, ...more } satisfies PlanState },
      });
    const stageRequest = { ...inputsOf(request, method), ...stageSettings, seed: from.seed };
    for await (const made of method.run(pipeline, stageRequest, {
      ...options,
      ...(from.noise && { noise: from.noise }),
      ...(goesOn?.stageState && { state: goesOn.stageState }),
      onStep: (progress) =>
        onStep?.({
          ...progress,
          iteration: start.iterations + progress.iteration,
          iterations: planned(progress.iterations),
        }),
      onState: (stageState) =>
        saved(at, { from, stageState, stageBudget, before: start }, start.iterations + stageState.iteration),
    })) {
      const { forward, pullback } = made.evaluations;
      before = {
        iterations: start.iterations + made.iteration + 1,
        forward: start.forward + forward,
        pullback: start.pullback + pullback,
        seconds: start.seconds + made.seconds.total,
      };
      if (made.iteration === 0 && at === 0) price = spentBy(before);
      const score = made.objective ?? Number.NaN;
      const isBest = made.best && !(best && score < best.score);
      if (isBest) best = { noise: made.latent, seed: made.seed, score, clip: made.clip.A };
      yield {
        ...made,
        iteration: before.iterations - 1,
        iterations: planned(made.iterations),
        evaluations: { forward: before.forward, pullback: before.pullback },
        seconds: { ...made.seconds, total: before.seconds },
        best: isBest,
      };
    }
    const { targetClip = 100 } = settings;
    if (targetClip < 100 && (best?.clip ?? -100) >= targetClip) return;
    if (!isLast) await saved(at + 1, {}, before.iterations);
  }
}

/** The part of a request that every method has, and the images that this one takes. */
function inputsOf(request: ParsedRequest, method: MethodSchema): MethodRequest {
  const entries = Object.entries(request).filter(
    ([key]) => !Object.hasOwn(SETTINGS, key) && (!Object.hasOwn(INPUTS, key) || hasOption(method, key)),
  );
  return Object.fromEntries(entries) as MethodRequest;
}
