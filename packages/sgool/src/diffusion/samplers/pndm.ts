/**
 * @file PNDM in its PLMS form, the sampler of the first Stable Diffusion checkpoints.
 *
 * A linear multistep method on the noise predictions, with a trial step at the beginning: the second timestep is visited
 * twice, the second visit correcting the first. So `steps` steps make `steps + 1` network calls, each counted as a step.
 *
 * Reference: Liu et al. 2022, "Pseudo Numerical Methods for Diffusion Models on Manifolds", equations 9 and 12.
 */
import { linearStage } from '../linear-stage.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, singleLatent } from '../sampler.ts';
import type { Schedule, Transition } from '../schedule.ts';

/** Adams-Bashforth weights by order: the newest prediction first. */
const ADAMS_BASHFORTH = [
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
];

/** The PLMS sampler. It has a gradient (`checkpointed`), but no inverse. */
export function pndm(schedule: Schedule, steps: number): Sampler {
  const transitions = schedule.transitions(steps);
  const visits = steps === 1 ? transitions : [transitions[0], { ...transitions[0] }, ...transitions.slice(1)];
  const timesteps = visits.map((visit, i) => (i === 1 ? visit.previous : visit.timestep));

  // The state is [latent, ...predictions, newest first]; only the trial step's keeps the starting latent as well.
  let held = 0;
  const stages = visits.map((visit, step) => {
    const { latent, noise } = pndmCoefficients(schedule, visit);
    const timestep = timesteps[step];
    if (step === 0) {
      held = 1;
      const rows =
        steps === 1
          ? [
              [latent, noise],
              [0, 1],
            ]
          : [
              [latent, noise],
              [0, 1],
              [1, 0],
            ];
      return linearStage({ step, timestep, rows });
    }
    if (step === 1) {
      // Columns: trial latent, first prediction, starting latent, new prediction.
      return linearStage({
        step,
        timestep,
        rows: [
          [0, noise / 2, latent, noise / 2],
          [0, 1, 0, 0],
        ],
      });
    }
    const weights = ADAMS_BASHFORTH[Math.min(held, 3)];
    const history = weights.slice(1).map((weight) => noise * weight);
    const padded = Array.from({ length: held }, (_, i) => history[i] ?? 0);
    const keep = Math.min(held, 2);
    const rows = [
      [latent, ...padded, noise * weights[0]],
      [...new Array<number>(held + 1).fill(0), 1],
      ...Array.from({ length: keep }, (_, i) => unit(i + 1, held + 2)),
    ];
    held = keep + 1;
    return linearStage({ step, timestep, rows });
  });

  return createSampler({ name: 'pndm', timesteps, stages, ...singleLatent('pndm', held) });
}

function pndmCoefficients(schedule: Schedule, { timestep, previous }: Transition) {
  const from = schedule.alphaCumprod(timestep);
  const to = schedule.alphaCumprod(previous);
  const denominator = from * Math.sqrt(1 - to) + Math.sqrt(from * (1 - from) * to);
  return { latent: Math.sqrt(to / from), noise: -(to - from) / denominator };
}

const unit = (index: number, length: number) => Array.from({ length }, (_, i) => (i === index ? 1 : 0));
