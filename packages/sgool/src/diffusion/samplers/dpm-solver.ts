/**
 * @file DPM-Solver and DPM-Solver++ as multistep solvers of order 1 to 3, deterministic or with fresh noise.
 *
 * With α the signal, σ the noise, λ = ln(α/σ) and h = λ' - λ, a step integrates what the network said so far over λ: the clean
 * latent D for the solvers `++`, the noise ε for the others. With D0 the newest value and D1, D2 its divided differences
 *
 *     ++     z' = (σ'/σ)·z + α'·(1 - e⁻ʰ)·D0 + α'·(e⁻ʰ - 1 + h)/h·D1 + α'·(1 - h - e⁻ʰ + h²/2)/h²·D2
 *
 * where the midpoint form of order 2 takes α'·(1 - e⁻ʰ)/2 for the factor of D1. The stochastic forms take e⁻²ʰ for e⁻ʰ.
 *
 * Reference: Lu et al. 2022, "DPM-Solver" and "DPM-Solver++" (algorithm 2; appendix for the SDE forms); orders of the first and
 * last steps as in diffusers' DPMSolverMultistepScheduler.
 */
import { UserError } from '../../errors.ts';
import type { FreshNoise } from '../fresh-noise.ts';
import { scaledNoise } from '../fresh-noise.ts';
import { linearStage, type Weights } from '../linear-stage.ts';
import type { Combination, NoisePath, StopOptions } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, mixesAt, singleLatent } from '../sampler.ts';
import { schedulerValue } from '../scheduler-keys.ts';

const ALGORITHMS = ['dpmsolver++', 'dpmsolver', 'sde-dpmsolver++', 'sde-dpmsolver'] as const;
type Algorithm = (typeof ALGORITHMS)[number];

export interface DpmSolverOptions extends Pick<StopOptions, 'spacing' | 'finalNoise' | 'sigmas'> {
  /** Default: what the scheduler's file says, else `dpmsolver++`. */
  readonly algorithm?: Algorithm;
  /** Needed by the algorithms `sde-...`. */
  readonly freshNoise?: FreshNoise;
  /** Step that the chain begins with: what it remembers of steps before it is nothing. Default 0. */
  readonly firstStep?: number;
}

/** From so many steps on, diffusers takes last steps that end with noise at full order. */
const MANY_STEPS = 15;

/** Names of what the network said in the steps before, newest first. */
const HISTORY = ['before', 'before2'] as const;

/** The algorithm of the scheduler's file. */
export function dpmAlgorithm({ config }: NoisePath): Algorithm {
  const named = schedulerValue('dpm-solver', config, 'algorithm_type');
  // What diffusers makes of the name `deis` of another class.
  return ALGORITHMS.find((one) => one === named) ?? 'dpmsolver++';
}

/** Signal, noise and log-SNR of a level. */
export interface PathPoint {
  readonly alpha: number;
  readonly sigma: number;
  readonly lambda: number;
}

/** Signal, noise and log-SNR at levels. */
export function pathPoints(path: NoisePath, levels: readonly number[]): PathPoint[] {
  return levels.map((level) => {
    const [alpha, sigma] = [path.signal(level), path.noise(level)];
    return { alpha, sigma, lambda: Math.log(alpha / sigma) };
  });
}

/**
 * The multistep sampler of DPM-Solver. Reads `algorithm_type`, `solver_order`, `solver_type`, `lower_order_final` and
 * `euler_at_final` from the scheduler's file; without them it is DPM-Solver++(2M). One network call per step; it has a gradient
 * (`checkpointed`), but no inverse.
 *
 * @throws UserError for combinations that DPM-Solver does not define, or without `freshNoise` where it is needed
 */
export function dpmSolver(path: NoisePath, steps: number, options: DpmSolverOptions = {}): Sampler {
  const { algorithm = dpmAlgorithm(path), freshNoise, firstStep = 0 } = options;
  const value = (key: string) => schedulerValue('dpm-solver', path.config, key);
  const isStochastic = algorithm.startsWith('sde-');
  const solvesClean = algorithm.endsWith('++');
  if (isStochastic && !freshNoise) {
    throw new UserError(`dpmSolver: algorithm ${algorithm} needs freshNoise, a source of noise`);
  }
  const stops = path.stops(steps, { ...options, rule: 'dpm-solver' });
  const count = stops.timesteps.length;
  const at = pathPoints(path, stops.levels);
  if (!solvesClean && at[count].sigma === 0) {
    throw new UserError(
      `scheduler: algorithm_type ${algorithm} is not supported with final_sigmas_type zero; it must be sigma_min, because these solvers divide by the noise`,
    );
  }
  const solverOrder = Number(value('solver_order'));
  if (algorithm === 'sde-dpmsolver' && solverOrder === 3) {
    throw new UserError(
      'scheduler: solver_order 3 is not supported with algorithm_type sde-dpmsolver; it must be 1 or 2',
    );
  }
  const isFew = value('lower_order_final') === true && count < MANY_STEPS;
  const orderOf = (step: number) => {
    const isLast = step === count - 1;
    if (isLast && (value('euler_at_final') === true || isFew || at[count].sigma === 0)) return 1;
    const most = isFew && step === count - 2 ? Math.min(solverOrder, 2) : solverOrder;
    return Math.min(most, step - firstStep + 1);
  };
  const form: Form = { algorithm, isHeun: value('solver_type') === 'heun' };

  const stages = stops.timesteps.slice(firstStep).map((timestep, i) => {
    const step = firstStep + i;
    const order = orderOf(step);
    const { latent, history, deviation } = multistep(form, order, at, step);
    const said = solvesClean ? path.cleanLatent(stops.levels[step]) : path.noisePart(stops.levels[step]);
    return linearStage({
      step,
      timestep,
      state: ['latent', ...HISTORY.slice(0, Math.min(i, HISTORY.length))],
      next: remembered({ latent, newest: history[0], older: history.slice(1) }, said, i),
      shift: scaledNoise(freshNoise, step, deviation),
    });
  });
  return createSampler({
    name: 'dpm-solver',
    timesteps: stops.timesteps,
    mixAt: mixesAt(path, stops),
    stages,
    ...singleLatent('dpm-solver', Math.min(count - firstStep, HISTORY.length)),
  });
}

/** The new state: the latent, and what the network said in this step and those before. */
function remembered(
  { latent, newest, older }: { latent: number; newest: number; older: readonly number[] },
  said: Combination,
  before: number,
): Record<string, Weights> {
  const known = HISTORY.slice(0, Math.min(before, HISTORY.length - 1));
  return {
    latent: {
      latent: latent + newest * said.latent,
      prediction: newest * said.prediction,
      ...Object.fromEntries(older.map((weight, i) => [HISTORY[i], weight])),
    },
    [HISTORY[0]]: { ...said },
    ...Object.fromEntries(known.map((name, i) => [HISTORY[i + 1], { [name]: 1 }])),
  };
}

interface Form {
  readonly algorithm: Algorithm;
  /** Whether order 2 integrates the slope exactly (heun) or takes it from the midpoint. */
  readonly isHeun: boolean;
}

/** The step as weights of the latent and of what the network said, newest first; and the deviation of the fresh noise. */
function multistep(
  { algorithm, isHeun }: Form,
  order: number,
  at: readonly PathPoint[],
  step: number,
): { latent: number; history: number[]; deviation: number } {
  const [now, next] = [at[step], at[step + 1]];
  const h = next.lambda - now.lambda;
  const { latent, gain, slope, bend, deviation } = integrals(algorithm, now, next, h);
  if (order === 1) return { latent, history: [gain], deviation };
  const r0 = (now.lambda - at[step - 1].lambda) / h;
  if (order === 2) {
    const weight = (isHeun ? slope : gain / 2) / r0;
    return { latent, history: [gain + weight, -weight], deviation };
  }
  const r1 = (at[step - 1].lambda - at[step - 2].lambda) / h;
  // D1 and D2 by the three values m0, m1, m2: first and second divided differences.
  const share = r0 / (r0 + r1);
  const first = [(1 + share) / r0, -(1 + share) / r0 - share / r1, share / r1];
  const second = [1 / r0, -1 / r0 - 1 / r1, 1 / r1].map((weight) => weight / (r0 + r1));
  const history = [gain, 0, 0].map((weight, i) => weight + slope * first[i] + bend * second[i]);
  return { latent, history, deviation };
}

/** The factors of z, D0, D1 and D2, and the deviation of the fresh noise. */
function integrals(algorithm: Algorithm, now: PathPoint, next: PathPoint, h: number) {
  switch (algorithm) {
    case 'dpmsolver++': {
      const fall = Math.expm1(-h);
      return {
        latent: next.sigma / now.sigma,
        // α'·(1 - e⁻ʰ), defined where h is infinite, too
        gain: next.alpha - (now.alpha * next.sigma) / now.sigma,
        slope: next.alpha * (fall / h + 1),
        bend: -next.alpha * ((fall + h) / h ** 2 - 0.5),
        deviation: 0,
      };
    }
    case 'dpmsolver': {
      const rise = Math.expm1(h);
      return {
        latent: next.alpha / now.alpha,
        gain: -next.sigma * rise,
        slope: -next.sigma * (rise / h - 1),
        bend: -next.sigma * ((rise - h) / h ** 2 - 0.5),
        deviation: 0,
      };
    }
    case 'sde-dpmsolver++': {
      const fall = Math.expm1(-2 * h);
      return {
        latent: (next.sigma / now.sigma) * Math.exp(-h),
        gain: -next.alpha * fall,
        slope: next.alpha * (fall / (2 * h) + 1),
        bend: next.alpha * ((-fall - 2 * h) / (2 * h) ** 2 - 0.5),
        deviation: next.sigma * Math.sqrt(-fall),
      };
    }
    case 'sde-dpmsolver': {
      const rise = Math.expm1(h);
      return {
        latent: next.alpha / now.alpha,
        gain: -2 * next.sigma * rise,
        slope: -2 * next.sigma * (rise / h - 1),
        bend: 0,
        deviation: next.sigma * Math.sqrt(Math.expm1(2 * h)),
      };
    }
  }
}
