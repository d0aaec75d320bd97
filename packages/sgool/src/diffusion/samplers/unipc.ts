/**
 * @file UniPC: a multistep solver that corrects each latent with what the network says at it, without a call of its own.
 *
 * With α the signal, σ the noise, λ = ln(α/σ), h = λ' - λ and m the clean latent (or, for `predict_x0` false, the noise):
 *
 *     z' = (σ'/σ)·z - α'·(e⁻ʰ - 1)·m0 - α'·B·Σ ρ_k·(m_k - m0) / r_k,      r_k = (λ_k - λ) / h
 *
 * The predictor sums over the steps before; the corrector over the new latent, too (r = 1), and starts from the corrected latent
 * of the step before. The ρ make the sum exact for polynomials.
 *
 * Reference: Zhao et al. 2023, "UniPC", equations 3 and 9; details as in diffusers' UniPCMultistepScheduler.
 */
import { UserError } from '../../errors.ts';
import { linearStage, type Weights } from '../linear-stage.ts';
import type { NoisePath, StopOptions } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, mixesAt, singleLatent } from '../sampler.ts';
import { schedulerValue } from '../scheduler-keys.ts';
import { type PathPoint, pathPoints } from './dpm-solver.ts';

export interface UniPcOptions extends Pick<StopOptions, 'spacing' | 'finalNoise' | 'sigmas'> {
  /** Step that the chain begins with: what it remembers of steps before it is nothing. Default 0. */
  readonly firstStep?: number;
}

/** Names of what the network said in the steps before, newest first. */
const HISTORY = ['before', 'before2', 'before3'] as const;

/** How a step integrates what the network said. */
interface Form {
  /** Whether that is the clean latent, instead of the noise. */
  readonly solvesClean: boolean;
  /** B(h) is h itself (bh1) or eʰ - 1 (bh2). */
  readonly usesIdentity: boolean;
}

/** Weights of the latent at the beginning, of m0, of those before it (newest first), and of the newest (corrector only). */
interface Integral {
  readonly latent: number;
  readonly first: number;
  readonly older: readonly number[];
  readonly newest: number;
}

/**
 * The UniPC sampler. Reads `solver_order`, `solver_type`, `predict_x0`, `lower_order_final` and `disable_corrector` from the
 * scheduler's file. One network call per step; it has a gradient (`checkpointed`), but no inverse.
 *
 * @throws UserError where a combination of keys divides by zero
 */
export function unipc(
  path: NoisePath,
  steps: number,
  { firstStep = 0, ...options }: UniPcOptions = {},
): Sampler {
  const value = (key: string) => schedulerValue('unipc', path.config, key);
  const stops = path.stops(steps, { ...options, rule: 'unipc' });
  const { timesteps, levels } = stops;
  const count = timesteps.length;
  const at = pathPoints(path, levels);
  const form: Form = {
    solvesClean: value('predict_x0') === true,
    usesIdentity: value('solver_type') === 'bh1',
  };
  const uncorrected = value('disable_corrector') as readonly number[];
  const solverOrder = Number(value('solver_order'));
  const most = (step: number) =>
    value('lower_order_final') === true ? Math.min(solverOrder, count - step) : solverOrder;
  const orderOf = (step: number) => Math.min(most(step), step - firstStep + 1);

  const stages = timesteps.slice(firstStep).map((timestep, i) => {
    const step = firstStep + i;
    const known = HISTORY.slice(0, Math.min(i, HISTORY.length));
    const said: Weights = {
      ...(form.solvesClean ? path.cleanLatent(levels[step]) : path.noisePart(levels[step])),
    };
    const corrects = i > 0 && !uncorrected.includes(step - 1);
    const corrected = corrects ? correction(form, orderOf(step - 1), at, step, said) : { latent: 1 };
    const { latent, first, older } = integral(form, orderOf(step), at, step, false);
    const next: Record<string, Weights> = {
      latent: total(
        [latent, corrected],
        [first, said],
        ...older.map((weight, i) => [weight, { [HISTORY[i]]: 1 }] as const),
      ),
      start: corrected,
      [HISTORY[0]]: said,
      ...Object.fromEntries(
        known.slice(0, HISTORY.length - 1).map((name, i) => [HISTORY[i + 1], { [name]: 1 }]),
      ),
    };
    refuseInfinite(next, timestep);
    return linearStage({ step, timestep, state: ['latent', ...(i > 0 ? ['start'] : []), ...known], next });
  });
  return createSampler({
    name: 'unipc',
    timesteps,
    mixAt: mixesAt(path, stops),
    stages,
    ...singleLatent('unipc', 1 + Math.min(count - firstStep, HISTORY.length)),
  });
}

/** The latent of this step, corrected by what the network says at it. */
function correction(
  form: Form,
  order: number,
  at: readonly PathPoint[],
  step: number,
  said: Weights,
): Weights {
  const { latent, first, older, newest } = integral(form, order, at, step - 1, true);
  return total(
    [latent, { start: 1 }],
    [first, { [HISTORY[0]]: 1 }],
    ...older.map((weight, i) => [weight, { [HISTORY[i + 1]]: 1 }] as const),
    [newest, said],
  );
}

/** A step from point `step` to the next, with values of `order` points, and of the next one for the corrector. */
function integral(
  { solvesClean, usesIdentity }: Form,
  order: number,
  at: readonly PathPoint[],
  step: number,
  corrects: boolean,
): Integral {
  const [now, next] = [at[step], at[step + 1]];
  const h = next.lambda - now.lambda;
  const signed = solvesClean ? -h : h;
  const growth = Math.expm1(signed);
  const scale = solvesClean ? next.alpha : next.sigma;
  const latent = solvesClean ? next.sigma / now.sigma : next.alpha / now.alpha;
  const b = usesIdentity ? signed : growth;
  const ratios = Array.from({ length: order - 1 }, (_, i) => (at[step - 1 - i].lambda - now.lambda) / h);
  const weights = corrects ? correctorWeights(ratios, signed, b) : predictorWeights(ratios, signed, b);
  const older = ratios.map((ratio, i) => (-scale * b * weights[i]) / ratio);
  const newest = corrects ? -scale * b * weights[ratios.length] : 0;
  const sum = older.reduce((total, weight) => total + weight, newest);
  return { latent, first: -scale * growth - sum, older, newest };
}

/** The right sides of the conditions on ρ: k!·φ_{k+1}(h)·h / B for k from 1. */
function moments(orders: number, signed: number, b: number): number[] {
  let phi = Math.expm1(signed) / signed - 1;
  let factorial = 1;
  return Array.from({ length: orders }, (_, k) => {
    const moment = (phi * factorial) / b;
    factorial *= k + 2;
    phi = phi / signed - 1 / factorial;
    return moment;
  });
}

function predictorWeights(ratios: readonly number[], signed: number, b: number): number[] {
  if (ratios.length < 2) return ratios.map(() => 0.5);
  return solve(powers(ratios), moments(ratios.length, signed, b));
}

function correctorWeights(ratios: readonly number[], signed: number, b: number): number[] {
  if (ratios.length === 0) return [0.5];
  const points = [...ratios, 1];
  return solve(powers(points), moments(points.length, signed, b));
}

/** Rows of powers 0, 1, ... of the points. */
const powers = (points: readonly number[]) => points.map((_, k) => points.map((point) => point ** k));

/** Solves a small linear system by elimination, without pivots: powers of different points have leading minors that are not 0. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]]);
  const size = rows.length;
  for (let column = 0; column < size; column++) {
    for (let i = 0; i < size; i++) {
      if (i === column) continue;
      const factor = rows[i][column] / rows[column][column];
      rows[i] = rows[i].map((value, j) => value - factor * rows[column][j]);
    }
  }
  return rows.map((row, i) => row[size] / row[i]);
}

/** A weighted sum of weighted sums. */
function total(...terms: (readonly [number, Weights])[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const [factor, weights] of terms) {
    for (const [name, weight] of Object.entries(weights)) sum[name] = (sum[name] ?? 0) + factor * weight;
  }
  return sum;
}

function refuseInfinite(next: Readonly<Record<string, Weights>>, timestep: number): void {
  const fits = Object.values(next).every((weights) => Object.values(weights).every(Number.isFinite));
  if (fits) return;
  throw new UserError(
    `scheduler: the keys final_sigmas_type, lower_order_final and solver_order do not go together with the sampler unipc: its step at timestep ${timestep} divides by zero; set lower_order_final to true`,
  );
}
