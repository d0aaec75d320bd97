/**
 * @file Resampling: several images are made together; on the way those whose predicted image scores well live on several times, others
 * end. The objective scores and selects; no gradient is taken. It needs a sampler with fresh noise between its steps: copies of a
 * particle would stay alike.
 *
 * Each iteration is a population of its own. A particle's score is the best that it or an ancestor reached, of the image that the
 * last prediction implies; descendants are drawn by SSP with a strength that rises along the steps.
 *
 * Reference: Singhal et al. 2025 (FK steering), Kim et al. 2025 (DAS); see `optimisers/search/resampling.ts`. Departures: the image of
 * a score is that of the prediction that the step before made anyway; particles are resampled at the numbers of steps that
 * the settings say, not below an effective sample size.
 */
import { checkedPrediction, type Denoiser } from '../diffusion/denoiser.ts';
import type { NoisePath } from '../diffusion/noise-path.ts';
import type { Latents, Sampler } from '../diffusion/sampler.ts';
import { continueChain, sample } from '../diffusion/trajectory.ts';
import { UserError } from '../errors.ts';
import { maximum } from '../numbers.ts';
import { descendants, particleWeights } from '../optimisers/search/resampling.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { INPUTS } from '../request/request.ts';
import { resamplingSettings } from '../request/settings/resampling.ts';
import { samplingSettings } from '../request/settings/sampling.ts';
import type { SettingsOf } from '../request/settings/shape.ts';
import { heldState } from '../state.ts';
import { decodeFrames, judge, shownFrames } from './run/frames.ts';
import type { MethodDefinition } from './run/method.ts';
import { selectedByObjective } from './run/roles.ts';
import {
  bestKeeper,
  denoiserOf,
  drawNoise,
  type Run,
  samplerOf,
  stoppedIn,
  withinIteration,
} from './run/run.ts';
import { type RunScorers, runScorers, selection } from './run/run-scorers.ts';
import { searchLoopSettings, searchStop } from './run/search-noise.ts';

/** Samplers that draw fresh noise between their steps. */
const SAMPLERS = ['ddim', 'tcd', 'euler-ancestral', 'lcm', 'dpm-2m-sde', 'dpm-sde'] as const;

const settings = {
  ...searchLoopSettings,
  sampler: samplingSettings.sampler.extract(SAMPLERS).describe(samplingSettings.sampler.description ?? ''),
  ...resamplingSettings,
};
const { targetImages } = INPUTS;
type Settings = SettingsOf<typeof settings>;

export const resampling: MethodDefinition<'resampling', Settings> = {
  name: 'resampling',
  summary:
    'makes several images together and goes on with those that promise most; the objective scores and selects',
  cost: 'iterations x particles x steps',
  useFor: "a few images' worth, where bad ones are to end early; samplers with fresh noise only",
  settings,
  inputs: { targetImages },
  movesNoise: false,
  noiseMakesImage: false,
  defaults: () => ({ sampler: 'ddim', eta: 1, iterations: 1 }),
  // A model or its hints may name a sampler without fresh noise.
  everyPreset: ({ sampler }) =>
    SAMPLERS.some((name) => name === sampler) ? {} : { sampler: 'ddim', eta: 1 },
  roles: selectedByObjective,
  async *run(pipeline, run) {
    const { settings, noise, freshNoise, signal } = run;
    if (!freshNoise) {
      throw new UserError(
        `resampling: eta ${settings.eta} draws no fresh noise between the steps, so copies of a particle would stay alike; give eta above 0`,
      );
    }
    const denoiser = await denoiserOf(pipeline, run);
    const scorers = await runScorers(pipeline, run);
    const keeper = bestKeeper('objective');
    const stop = searchStop(settings);
    const steps = resamplingSteps(settings);
    /** What one particle costs of the budget. */
    let price = 0;
    const priced = heldState<number>(
      () => price,
      (state) => {
        price = state;
      },
    );
    for await (const iteration of run.iterations({
      keeper,
      stop,
      price: priced,
      objective: scorers.memory,
    })) {
      const made = await withinIteration(run.method, iteration, async () => {
        if (iteration > 0) return population({ pipeline, run, scorers, denoiser }, steps, price, iteration);
        // Measured before: it is no part of what a particle costs.
        await scorers.units();
        const begun = run.spending.spent();
        const sampler = samplerOf(pipeline, settings, { freshNoise });
        const onStep = run.stepReporter('denoise', 0);
        const [final] = await sample(sampler, denoiser, noise, { signal, onStep });
        price = run.spending.spent() - begun;
        return { noise, final };
      });
      const sampled = run.spending.spent();
      const frames = await decodeFrames(pipeline, run, made.final, iteration);
      const { frameScores, failure: unscored, ...judged } = await judge(pipeline, run, frames);
      const seen = run.spending.spent();
      // The scales are no part of what a particle costs. If they fail, so does the selection, which says it.
      if (iteration === 0) await scorers.units().catch(() => undefined);
      const scaled = run.spending.spent();
      const { failure = unscored, ...chosen } = await selection(scorers, 'objective', frames, frameScores);
      if (iteration === 0) price += (steps.length + 1) * (seen - sampled + run.spending.spent() - scaled);
      const best = keeper.isBest({ ...judged, ...chosen });
      yield run.report({
        iteration,
        latent: made.noise,
        ...shownFrames(frames, settings),
        ...judged,
        ...chosen,
        best,
      });
      if (failure) throw stoppedIn(run.method, iteration, failure);
      if (stop.isEnough(judged)) return;
    }
  },
};

/** Numbers of steps after which particles are resampled: evenly spread over the steps from `resampleFrom` on, without the last. */
export function resamplingSteps({
  steps,
  resamplings,
  resampleFrom,
}: Pick<Settings, 'steps' | 'resamplings' | 'resampleFrom'>): number[] {
  const first = Math.max(1, Math.ceil(resampleFrom * steps - 1e-9));
  const spread = Array.from({ length: resamplings }, (_, k) =>
    Math.round(first + (k * (steps - first)) / resamplings),
  );
  return [...new Set(spread)].filter((step) => step < steps);
}

interface Particle {
  /** The noise that it or its first ancestor began with. */
  readonly noise: Float64Array;
  readonly state: Latents;
  /** The best score that it or an ancestor reached. */
  readonly reached: number;
}

interface Parts {
  readonly pipeline: Pipeline;
  readonly run: Run<Settings>;
  readonly scorers: RunScorers;
  readonly denoiser: Denoiser;
}

/** Runs a population to its end. Returns the result of highest score, and the noise that it came from. */
async function population(
  { pipeline, run, scorers, denoiser }: Parts,
  resampledAfter: readonly number[],
  price: number,
  iteration: number,
): Promise<{ noise: Float64Array; final: Float64Array; begun?: number }> {
  const { settings, random, spending } = run;
  const size = run.noise.length;
  const draw = () => Float64Array.from(random.randn([size]));
  const watched = watchedDenoiser(denoiser, pipeline.noisePath(settings));
  const sampler = samplerOf(pipeline, settings, { freshNoise: draw });
  const fitting = price > 0 ? Math.floor(spending.left() / price) : settings.particles;
  const count = Math.max(1, Math.min(settings.particles, fitting));
  const advance = stepper(run, sampler, watched, count, iteration);

  let particles: Particle[] = Array.from({ length: count }, () => {
    const noise = drawNoise(pipeline, settings, random);
    return { noise, state: sampler.initial(noise), reached: Number.NEGATIVE_INFINITY };
  });
  let begun = 0;
  for (const end of resampledAfter) {
    const moved: Particle[] = [];
    for (const { noise, state, reached } of particles) {
      const next = await advance(state, begun, end);
      const predicted = await decodeFrames(pipeline, run, watched.predicted(), iteration);
      const { total: score } = await scorers.score(predicted);
      moved.push({ noise, state: next, reached: Math.max(reached, score) });
    }
    particles = resampled(moved, (settings.resampleStrength * end) / sampler.steps, random);
    begun = end;
  }
  const results: { noise: Float64Array; final: Float64Array; score: number }[] = [];
  for (const { noise, state } of particles) {
    const [final] = sampler.finalLatents(await advance(state, begun, sampler.steps));
    const { total: score } = await scorers.score(await decodeFrames(pipeline, run, final, iteration));
    results.push({ noise, final, score });
  }
  const most = maximum(results.map(({ score }) => score));
  return results.find(({ score }) => score === most) ?? results[0];
}

/** The descendants of particles, those of one particle together. */
function resampled(particles: readonly Particle[], strength: number, random: Run['random']): Particle[] {
  const weights = particleWeights(
    particles.map(({ reached }) => reached),
    strength,
  );
  const uniform = particles.length > 1 ? random.rand([particles.length - 1]) : [];
  return descendants(weights, uniform).flatMap((count, i) =>
    Array.from({ length: count }, () => particles[i]),
  );
}

/** Runs a particle through some steps; progress counts the steps of all particles. */
function stepper(run: Run<Settings>, sampler: Sampler, denoiser: Denoiser, count: number, iteration: number) {
  const report = run.stepReporter('denoise', iteration);
  const steps = count * sampler.steps;
  let step = 0;
  return (state: Latents, startIndex: number, endIndex: number): Promise<Latents> =>
    continueChain(sampler, denoiser, state, {
      startIndex,
      endIndex,
      signal: run.signal,
      onStep: (info) => report({ ...info, step: step++, steps }),
    });
}

/** A denoiser that remembers the clean latent which its last prediction implies. */
function watchedDenoiser(denoiser: Denoiser, path: NoisePath) {
  let predicted: Float64Array | undefined;
  return {
    ...denoiser,
    async predict(latent: Float64Array, timestep: number) {
      const prediction = await checkedPrediction(denoiser, latent, timestep);
      const clean = path.cleanLatent(path.level(timestep));
      predicted = latent.map((value, i) => clean.latent * value + clean.prediction * prediction[i]);
      return prediction;
    },
    predicted(): Float64Array {
      if (!predicted) throw new Error('resampling: a particle was scored before its first step');
      return predicted;
    },
  };
}
