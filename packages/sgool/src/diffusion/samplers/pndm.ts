/**
 * @file PNDM in its PLMS form, the sampler of the first Stable Diffusion checkpoints.
 *
 * A linear multistep method on the predictions, with a trial step at the beginning: the second timestep is visited twice, the
 * second visit correcting the first. So `steps` steps make `steps + 1` network calls, each counted as a step. The transfer part
 * (equation 11) is DDIM's step.
 *
 * Reference: Liu et al. 2022, "Pseudo Numerical Methods for Diffusion Models on Manifolds", equations 9, 11 and 12.
 */
import { linearStage, type Weights } from '../linear-stage.ts';
import type { NoisePath } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, singleLatent } from '../sampler.ts';

/** Adams-Bashforth weights by order: the newest prediction first. */
const ADAMS_BASHFORTH = [
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
];

/** Names of the predictions that are kept, newest first. */
const HISTORY = ['before', 'before2', 'before3'] as const;

/** The PLMS sampler. It has a gradient (`checkpointed`), but no inverse. */
export function pndm(path: NoisePath, steps: number): Sampler {
  const stops = path.stops(steps);
  const step = (i: number) => path.step(stops.levels[i], stops.levels[i + 1]);
  if (steps === 1) {
    const { latent, prediction } = step(0);
    const { timesteps } = stops;
    const next = { latent: { latent, prediction } };
    const stages = [linearStage({ step: 0, timestep: timesteps[0], state: ['latent'], next })];
    return createSampler({ name: 'pndm', timesteps, stages, ...singleLatent('pndm') });
  }

  const [first, second, ...others] = stops.timesteps;
  const timesteps = [first, second, second, ...others];
  const { latent, prediction } = step(0);
  const trial = linearStage({
    step: 0,
    timestep: first,
    state: ['latent'],
    next: { latent: { latent, prediction }, before: { prediction: 1 }, start: { latent: 1 } },
  });
  const corrected = linearStage({
    step: 1,
    timestep: second,
    state: ['latent', 'before', 'start'],
    next: {
      latent: { start: latent, before: prediction / 2, prediction: prediction / 2 },
      before: { before: 1 },
    },
  });
  const multistep = timesteps.slice(2).map((timestep, i) => {
    const known = HISTORY.slice(0, i + 1);
    return linearStage({
      step: i + 2,
      timestep,
      state: ['latent', ...known],
      next: multistepWeights(step(i + 1), known),
    });
  });

  const stages = [trial, corrected, ...multistep];
  const held = Math.min(multistep.length + 1, HISTORY.length);
  return createSampler({ name: 'pndm', timesteps, stages, ...singleLatent('pndm', held) });
}

/** A step of as high an order as the known predictions allow; the newest ones are kept. */
function multistepWeights(
  { latent, prediction }: { latent: number; prediction: number },
  known: readonly string[],
): Record<string, Weights> {
  const [newest, ...older] = ADAMS_BASHFORTH[known.length];
  const history = known.map((name, i) => [name, prediction * older[i]] as const);
  const kept = known.slice(0, HISTORY.length - 1);
  return {
    latent: { latent, ...Object.fromEntries(history), prediction: prediction * newest },
    [HISTORY[0]]: { prediction: 1 },
    ...Object.fromEntries(kept.map((name, i) => [HISTORY[i + 1], { [name]: 1 }])),
  };
}
