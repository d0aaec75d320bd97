/**
 * @file A stage whose new state is a weighted sum of the old state and one prediction: DDIM and every multistep solver.
 *
 * The latents of a state have names, the first is the one that the network sees, and its prediction is called `prediction`. A
 * new latent is the sum of what it names, each with its weight.
 */
import { checkedPrediction, checkedPullback } from './denoiser.ts';
import type { Stage } from './sampler.ts';

/** Weights by the name of a latent of the old state, or `prediction`. What is not named has weight 0. */
export type Weights = Readonly<Record<string, number>>;

export interface LinearStageOptions {
  step: number;
  timestep: number;
  /** Names of the latents before the stage, in their order; the network sees the first. */
  state: readonly string[];
  /** The latents after the stage, by name and in their order. */
  next: Readonly<Record<string, Weights>>;
  /** Added to the first latent of the new state: the fresh noise of a stochastic sampler, the same at every call. */
  shift?: (length: number) => Float64Array;
}

/** Makes the stage. The network is not called where the prediction has weight 0 everywhere. */
export function linearStage({ step, timestep, state: names, next, shift }: LinearStageOptions): Stage {
  const columns = [...names, 'prediction'];
  const rows = Object.values(next).map((weights) => {
    const unknown = Object.keys(weights).find((name) => !columns.includes(name));
    if (unknown !== undefined) {
      throw new RangeError(
        `linearStage: no latent ${unknown} at step ${step}; there are ${columns.join(', ')}`,
      );
    }
    return columns.map((name) => weights[name] ?? 0);
  });
  const held = names.length;
  const needsPrediction = rows.some((row) => row[held] !== 0);

  return {
    step,
    timestep,
    callsNetwork: needsPrediction,
    async run(state, denoiser) {
      const terms = needsPrediction
        ? [...state, await checkedPrediction(denoiser, state[0], timestep)]
        : state;
      const after = rows.map((row) => combine(row, terms));
      if (shift) {
        const added = shift(state[0].length);
        after[0] = after[0].map((value, i) => value + added[i]);
      }
      return after;
    },
    async pullback(state, cotangent, denoiser) {
      const column = (j: number) =>
        combine(
          rows.map((row) => row[j]),
          cotangent,
        );
      const before = Array.from({ length: held }, (_, j) => column(j));
      if (needsPrediction) {
        const through = await checkedPullback(denoiser, state[0], timestep, column(held));
        before[0] = before[0].map((value, i) => value + through[i]);
      }
      return before;
    },
  };
}

/** `Σ weights[k]·terms[k]`; terms of weight 0 are not read, and weights without a term must be 0. */
function combine(weights: readonly number[], terms: readonly Float64Array[]): Float64Array {
  const total = new Float64Array(terms[0].length);
  weights.forEach((weight, k) => {
    if (weight === 0) return;
    const term = terms[k];
    for (let i = 0; i < total.length; i++) total[i] += weight * term[i];
  });
  return total;
}
