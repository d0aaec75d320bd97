/**
 * @file A stage that is linear in the state and in one noise prediction, which covers DDIM and every multistep solver.
 *
 * With `S` the state and `ε` the prediction at its first latent, each latent of the new state is `Σ wⱼ·Sⱼ + w_last·ε`.
 */
import { predictNoise, pullbackNoise } from './denoiser.ts';
import type { Stage } from './sampler.ts';

export interface LinearStageOptions {
  step: number;
  timestep: number;
  /** One row per latent of the new state: a weight for each latent of the old state, then that of the prediction. */
  rows: readonly (readonly number[])[];
  /** Added to the first latent of the new state: the fresh noise of a stochastic sampler, the same at every call. */
  shift?: (length: number) => Float64Array;
}

/** Makes the stage. The network is not called where the prediction has weight 0 in every row. */
export function linearStage({ step, timestep, rows, shift }: LinearStageOptions): Stage {
  const needsPrediction = rows.some((row) => row.at(-1) !== 0);
  const held = rows[0].length - 1;

  return {
    step,
    timestep,
    async run(state, denoiser) {
      const terms = needsPrediction ? [...state, await predictNoise(denoiser, state[0], timestep)] : state;
      const next = rows.map((row) => combine(row, terms));
      if (shift) {
        const added = shift(state[0].length);
        next[0] = next[0].map((value, i) => value + added[i]);
      }
      return next;
    },
    async pullback(state, cotangent, denoiser) {
      const column = (j: number) =>
        combine(
          rows.map((row) => row[j]),
          cotangent,
        );
      const before = Array.from({ length: held }, (_, j) => column(j));
      if (needsPrediction) {
        const through = await pullbackNoise(denoiser, state[0], timestep, column(held));
        before[0] = before[0].map((value, i) => value + through[i]);
      }
      return before;
    },
  };
}

/** `Σ weights[k]·terms[k]`; terms of weight 0 are not read, and weights without a term must be 0. */
function combine(weights: readonly number[], terms: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(terms[0].length);
  weights.forEach((weight, k) => {
    if (weight === 0) return;
    const term = terms[k];
    for (let i = 0; i < sum.length; i++) sum[i] += weight * term[i];
  });
  return sum;
}
