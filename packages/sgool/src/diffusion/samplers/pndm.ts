/**
 * @file PNDM, the sampler of the first Stable Diffusion checkpoints: in its PLMS form, or with Runge-Kutta steps at the beginning.
 *
 * PLMS is a linear multistep method on the predictions, with a trial step at the beginning: the second timestep is visited twice,
 * the second visit correcting the first. So `steps` steps make `steps + 1` network calls, each counted as a step. The transfer part
 * (equation 11) is DDIM's step.
 *
 * Reference: Liu et al. 2022, "Pseudo Numerical Methods for Diffusion Models on Manifolds", equations 9, 11, 12 and 13.
 */
import { UserError } from '../../errors.ts';
import { linearStage, type Weights } from '../linear-stage.ts';
import { endOf, type NoisePath, type Stops } from '../noise-path.ts';
import type { Sampler, Stage } from '../sampler.ts';
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

export interface PndmOptions {
  /**
   * Call that the chain begins with; of its `steps + 1` calls the second and the third are at the same timestep. As in diffusers'
   * image-to-image, the chain begins there with a trial step and its correction, whichever timesteps the two calls have. Default 0.
   */
  readonly firstStep?: number;
}

/**
 * The PNDM sampler: PLMS, or with three Runge-Kutta steps of four calls at the beginning where the file of a PNDMScheduler does not
 * say `skip_prk_steps` true. It has a gradient (`checkpointed`), but no inverse.
 *
 * @throws UserError for fewer than four steps with Runge-Kutta steps, or where these do not begin at step 0
 */
export function pndm(path: NoisePath, steps: number, { firstStep = 0 }: PndmOptions = {}): Sampler {
  const stops = path.stops(steps);
  const { skip_prk_steps: skips = path.config._class_name !== 'PNDMScheduler' } = path.config;
  const usesRungeKutta = skips !== true;
  if (usesRungeKutta && steps < 4) {
    throw new UserError(
      `pndm: needs 4 steps or more where the scheduler's file does not have skip_prk_steps true, got ${steps}`,
    );
  }
  if (usesRungeKutta && firstStep > 0) {
    throw new UserError(
      "pndm: cannot begin in the middle of the chain where the scheduler's file does not have skip_prk_steps true; take another sampler, as ddim",
    );
  }
  const whole = stops.timesteps.map((_, stop) => stop);
  // The stop of each call; that of the trial step's end comes twice.
  const calls = steps === 1 ? whole : [0, 1, ...whole.slice(1)];
  const visited = calls.slice(firstStep);
  const beginning = usesRungeKutta ? rungeKutta(path, stops) : plmsBeginning(path, stops, visited, firstStep);
  const rest = usesRungeKutta ? whole.slice(RUNGE_KUTTA_STEPS) : visited.slice(2);
  const multistep = rest.map((stop, i) => {
    const known = HISTORY.slice(0, usesRungeKutta ? HISTORY.length : i + 1);
    return linearStage({
      step: firstStep + beginning.length + i,
      timestep: stops.timesteps[stop],
      state: ['latent', ...known],
      next: multistepWeights(path.step(stops.levels[stop], endOf(stops, stop)), known),
    });
  });
  const stages = [...beginning, ...multistep];
  const timesteps = usesRungeKutta
    ? stages.map(({ timestep }) => timestep)
    : calls.map((stop) => stops.timesteps[stop]);
  const begins = usesRungeKutta
    ? whole.map((stop) => (stop < RUNGE_KUTTA_STEPS ? 4 * stop : 3 * RUNGE_KUTTA_STEPS + stop))
    : whole.map((stop) => (stop === 0 ? 0 : stop + 1));
  const held = usesRungeKutta ? HISTORY.length : Math.min(multistep.length + 1, HISTORY.length);
  return createSampler({
    name: 'pndm',
    timesteps,
    begins,
    mixAt(call) {
      const level = path.level(timesteps[call]);
      return { signal: path.signal(level), noise: path.noise(level) };
    },
    stages,
    ...singleLatent('pndm', visited.length === 1 ? 0 : held),
  });
}

/** How far a step goes down, in whole timesteps. */
const strideOf = ({ config }: NoisePath, { timesteps }: Stops) =>
  Math.floor(Number(config.num_train_timesteps ?? 1000) / timesteps.length);

/** The trial step and its correction, which begins again at the start: the first two of the calls, at the given stops. */
function plmsBeginning(
  path: NoisePath,
  stops: Stops,
  [trial, corrected]: readonly number[],
  firstStep: number,
): Stage[] {
  const { latent, prediction } = path.step(stops.levels[trial], endOf(stops, trial));
  const first = stops.timesteps[trial];
  if (corrected === undefined) {
    const next = { latent: { latent, prediction } };
    return [linearStage({ step: firstStep, timestep: first, state: ['latent'], next })];
  }
  const second = stops.timesteps[corrected];
  // diffusers takes the beginning of the step from its end, which differs where steps do not divide the trained timesteps.
  const from = stops.ends ? path.level(second + strideOf(path, stops)) : stops.levels[corrected - 1];
  const again = path.step(from, stops.levels[corrected]);
  return [
    linearStage({
      step: firstStep,
      timestep: first,
      state: ['latent'],
      next: { latent: { latent, prediction }, before: { prediction: 1 }, start: { latent: 1 } },
    }),
    linearStage({
      step: firstStep + 1,
      timestep: second,
      state: ['latent', 'before', 'start'],
      next: {
        latent: {
          start: again.latent,
          before: again.prediction / 2,
          prediction: again.prediction / 2,
        },
        before: { before: 1 },
      },
    }),
  ];
}

const RUNGE_KUTTA_STEPS = 3;

/**
 * Steps of the classical Runge-Kutta method of order 4: equation 13. The predictions that they begin with are the history of the
 * steps after them.
 */
function rungeKutta(path: NoisePath, stops: Stops): Stage[] {
  const half = Math.floor(strideOf(path, stops) / 2);
  return Array.from({ length: RUNGE_KUTTA_STEPS }, (_, i): Stage[] => {
    const [timestep, next] = [stops.timesteps[i], stops.timesteps[i + 1]];
    const to = (end: number) => path.step(stops.levels[i], path.level(end));
    const older = HISTORY.slice(0, i);
    const kept = Object.fromEntries(older.map((name) => [name, { [name]: 1 }]));
    const stage = (call: number, at: number, extra: readonly string[], after: Record<string, Weights>) =>
      linearStage({ step: 4 * i + call, timestep: at, state: ['latent', ...extra, ...older], next: after });
    const carried = ['start', 'slope', 'newest'];
    const inner = (end: number): Record<string, Weights> => {
      const { latent, prediction } = to(end);
      return {
        latent: { start: latent, prediction },
        start: { start: 1 },
        slope: { slope: 1, prediction: 1 / 3 },
        newest: { newest: 1 },
        ...kept,
      };
    };
    const [begun, whole] = [to(timestep - half), to(next)];
    return [
      stage(0, timestep, [], {
        latent: { latent: begun.latent, prediction: begun.prediction },
        start: { latent: 1 },
        slope: { prediction: 1 / 6 },
        newest: { prediction: 1 },
        ...kept,
      }),
      stage(1, next + half, carried, inner(next + half)),
      stage(2, next + half, carried, inner(next)),
      stage(3, next, carried, {
        latent: { start: whole.latent, slope: whole.prediction, prediction: whole.prediction / 6 },
        [HISTORY[0]]: { newest: 1 },
        ...Object.fromEntries(older.map((name, k) => [HISTORY[k + 1], { [name]: 1 }])),
      }),
    ];
  }).flat();
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
