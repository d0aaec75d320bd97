/** @file What the experiment compares: methods with the settings that are tried for each, budgets, and prompts. */
import { METHOD_NAMES, type MethodName } from 'sgool';

/** Settings as `sgool evaluate --variant` takes them. */
export type Given = Readonly<Record<string, string | number | boolean>>;

/** A row of the result, before its settings are chosen. */
export interface Contender {
  readonly label: string;
  readonly method: MethodName;
  /** The setting that spends the budget: it is chosen so that an image costs the budget. Absent where an image has one cost. */
  readonly spends?: 'iterations' | 'steps';
  /** Settings of all candidates. */
  readonly settings: Given;
  /** What is tried, each beside `settings`. One candidate needs no tuning. */
  readonly candidates: readonly Given[];
  /** A method that this one is a variant of: the goals do not ask that either be ahead of the other. */
  readonly variantOf?: string;
}

export interface Plan {
  /** Plain generations of ten DDIM steps whose work an image may cost. */
  readonly budgets: readonly number[];
  /** The plain images, which every budget is compared with. */
  readonly reference: Contender;
  readonly contenders: readonly Contender[];
  /** Tuning prompts that each rung adds, for each budget in order. After each rung the better half stays. */
  readonly rungs: readonly (readonly number[])[];
  /** Reported prompts, for each budget in order. */
  readonly prompts: readonly number[];
  readonly seeds: number;
  /** The scores by which settings are chosen, each with the same weight. */
  readonly chosenBy: readonly string[];
}

/** What one plain generation is. */
const PLAIN: Given = { sampler: 'ddim', steps: 10 };

/** How far the noise moves, and what the gradient goes through: what every method that moves the noise is offered. */
const MOVES: readonly Given[] = [
  { learningRate: 0.05 },
  { learningRate: 0.1 },
  { learningRate: 0.2 },
  { learningRate: 0.1, gradientSteps: 3 },
  { learningRate: 0.2, gradientSteps: 1 },
  { learningRate: 0.1, steps: 5 },
];

/** Adam through plain DDIM. */
const ADAM: Given = { sampler: 'ddim', optimiser: 'adam', momentum: 0.9, perturbation: 0 };

const CONTENDERS: readonly (Omit<Contender, 'method'> & { readonly method: string })[] = [
  { label: 'best-of', method: 'best-of', spends: 'iterations', settings: PLAIN, candidates: [{}] },
  {
    label: 'clip-guided',
    method: 'clip-guided',
    spends: 'steps',
    settings: { sampler: 'ddim' },
    candidates: [
      { clipGuidanceScale: 1 },
      { clipGuidanceScale: 2 },
      { clipGuidanceScale: 4 },
      { clipGuidanceScale: 8 },
      { clipGuidanceScale: 2, cutouts: 0 },
      { clipGuidanceScale: 4, cutouts: 0 },
      { clipGuidanceScale: 8, cutouts: 0 },
      { clipGuidanceScale: 16, cutouts: 0 },
    ],
  },
  {
    label: 'doodl',
    method: 'doodl',
    spends: 'iterations',
    settings: {},
    // As published with fewer steps, its update through plain DDIM, and Adam.
    candidates: [
      {},
      { steps: 20 },
      { sampler: 'ddim', steps: 10 },
      ...MOVES.slice(1).map((moves) => ({ ...ADAM, ...PLAIN, ...moves })),
    ],
  },
  {
    label: 'sgool without regions',
    method: 'sgool',
    spends: 'iterations',
    variantOf: 'sgool',
    settings: { ...ADAM, ...PLAIN, lambda: 0 },
    candidates: [...MOVES, { learningRate: 0.1, cutouts: 0 }, { learningRate: 0.2, cutouts: 0 }],
  },
  {
    label: 'sgool',
    method: 'sgool',
    spends: 'iterations',
    settings: { ...ADAM, ...PLAIN },
    candidates: [...MOVES, { learningRate: 0.1, lambda: 1 }, { learningRate: 0.1, cutouts: 0 }],
  },
  {
    label: 'zero-order',
    method: 'zero-order',
    spends: 'iterations',
    settings: PLAIN,
    candidates: [{}],
  },
  {
    label: 'trust-region-search',
    method: 'trust-region-search',
    spends: 'iterations',
    settings: PLAIN,
    candidates: [{}],
  },
  { label: 'resampling', method: 'resampling', spends: 'iterations', settings: PLAIN, candidates: [{}] },
];

/** Contenders whose method this version has, and the labels of the others. */
export function knownContenders(): { readonly known: Contender[]; readonly missing: string[] } {
  const isKnown = (method: string): method is MethodName => METHOD_NAMES.some((name) => name === method);
  return {
    known: CONTENDERS.flatMap((one) => (isKnown(one.method) ? [{ ...one, method: one.method }] : [])),
    missing: CONTENDERS.filter(({ method }) => !isKnown(method)).map(({ label }) => label),
  };
}

/** The experiment in full; `contenders` are those that this version has. */
export function fullPlan(contenders: readonly Contender[]): Plan {
  return {
    budgets: [4, 16, 64],
    reference: { label: 'sd', method: 'sd', settings: PLAIN, candidates: [{}] },
    contenders,
    rungs: [
      [22, 44, 88],
      [22, 33, 66],
      [11, 22, 33],
    ],
    prompts: [200, 200, 60],
    seeds: 2,
    chosenBy: ['judge', 'clip_b'],
  };
}

/** The plan with a share of its prompts, for trying it out: at least two at each place. */
export function smallerPlan(plan: Plan, share: number): Plan {
  const less = (count: number) => Math.max(2, Math.round(share * count));
  return { ...plan, rungs: plan.rungs.map((rungs) => rungs.map(less)), prompts: plan.prompts.map(less) };
}
