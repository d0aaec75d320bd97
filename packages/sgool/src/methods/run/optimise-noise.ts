/**
 * @file The loop that DOODL and SGOOL share: image from noise, loss of the image, gradient of the noise, update. The methods
 * differ in the loss.
 *
 * With `optimiseFrom` the first steps run once, and the latent after them takes the place of the starting noise: it moves, and
 * keeps the norm that it has there (that of the noise would be wrong: a latent in the middle of the chain holds signal). Departures
 * from DOODL's published code, which renormalises to the norm of the noise and sets EDICT's pair to its mean: here the mean moves
 * and the difference of the pair stays, so that iteration 0 is the plain image.
 *
 * Reference: Wallace et al. 2023 (DOODL); Wang et al. 2024 (SGOOL).
 */
import type { Denoiser } from '../../diffusion/denoiser.ts';
import { restOfChain } from '../../diffusion/rest-of-chain.ts';
import type { Latents, Sampler } from '../../diffusion/sampler.ts';
import { sparseJacobian } from '../../diffusion/sparse-jacobian.ts';
import { runTrajectory, sample, type Trajectory } from '../../diffusion/trajectory.ts';
import { UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { freeElements, onFreeElements } from '../../optimisers/free-elements.ts';
import { createOptimiser } from '../../optimisers/index.ts';
import { norm } from '../../optimisers/sphere.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { CutoutSettings } from '../../request/settings/cutouts.ts';
import type { DifferentiationSettings } from '../../request/settings/differentiation.ts';
import type { OptimiserSettings } from '../../request/settings/optimiser.ts';
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import type { SelectionSettings } from '../../request/settings/selection.ts';
import { stepOf } from '../../request/step-of.ts';
import { heldState } from '../../state.ts';
import { sharedGradient } from './frame-noise.ts';
import { frameTerms } from './frame-terms.ts';
import { decodeFrames, judge, shownFrames, worstFrame } from './frames.ts';
import { type ImageValue, imageLoss, type ObjectiveBuilder, totalOf } from './image-loss.ts';
import type { Iteration } from './iteration.ts';
import { meanParts } from './loss-parts.ts';
import {
  assertFinite,
  bestKeeper,
  clipNoise,
  denoiserOf,
  type Run,
  samplerOf,
  stopRule,
  withinIteration,
} from './run.ts';
import { selection } from './run-scorers.ts';

/** The settings that the loop uses. */
export type NoiseSettings = SamplingSettings &
  DifferentiationSettings &
  SelectionSettings &
  OptimiserSettings &
  Pick<CutoutSettings, 'saturatedGradient'>;

/** Where the loop begins, and which part of the noise it may change. */
export interface Start {
  readonly sampler: Sampler;
  /** The noise of iteration 0, which is what is optimised: a latent. */
  readonly noise: Float64Array;
  /** Step that the sampler begins with. Default 0. */
  readonly startIndex?: number;
  /** The latents that the sampler begins with, from the noise. Default the noise itself. */
  readonly latents?: ((noise: Float64Array) => Float64Array | Latents) | undefined;
  /** 1 for each element of the noise that may move, 0 for the others. Default all. */
  readonly free?: Uint8Array;
  /** A frame of the iteration, from the decoded one. */
  readonly finish?: (decoded: Image, frame: number) => Image;
}

/** What moves of the latents that a sampler starts with: the one; of EDICT's pair the mean, while their difference stays. */
export function movingPart([x, y]: Latents): Pick<Start, 'noise' | 'latents'> {
  if (y === undefined) return { noise: x };
  const apart = x.map((value, i) => (value - y[i]) / 2);
  return {
    noise: x.map((value, i) => (value + y[i]) / 2),
    latents: (noise) => [
      noise.map((value, i) => value + apart[i]),
      noise.map((value, i) => value - apart[i]),
    ],
  };
}

/**
 * The start behind the first steps, where the settings say so: they run now, once, and without gradient.
 *
 * @throws UserError where the run begins behind that step
 */
async function laterStart(start: Start, denoiser: Denoiser, run: Run<NoiseSettings>): Promise<Start> {
  const { settings, method, signal } = run;
  const { optimiseFrom, steps } = settings;
  const { sampler, startIndex = 0, noise } = start;
  const step = stepOf(optimiseFrom, steps);
  if (step === 0) return start;
  const endIndex = sampler.begins?.[step] ?? step;
  if (endIndex < startIndex) {
    throw new UserError(
      `${method}: optimiseFrom ${optimiseFrom} is step ${step} of ${steps}, but the given image enters at step ${startIndex}; give ${startIndex} or more, or 0`,
    );
  }
  const options = { signal, startIndex, endIndex, onStep: run.stepReporter('denoise', 0) };
  const rest = await withinIteration(method, 0, () =>
    restOfChain(sampler, denoiser, start.latents?.(noise) ?? noise, options),
  );
  return {
    ...start,
    latents: undefined,
    ...movingPart(rest.latents),
    sampler: rest.sampler,
    startIndex: rest.startIndex,
  };
}

/** Plain generation: everything comes from the noise of the seed. */
const startFromSeed = (pipeline: Pipeline, { settings, noise, freshNoise }: Run<NoiseSettings>): Start => ({
  sampler: samplerOf(pipeline, settings, { freshNoise }),
  noise,
});

/**
 * Runs the loop. Yields each image before its gradient is taken; the last iteration takes none. It ends early by `stopRule`.
 *
 * @param createStart called once, before the first iteration
 */
export async function* optimiseNoise(
  pipeline: Pipeline,
  run: Run<NoiseSettings>,
  createBuilder: () => Promise<ObjectiveBuilder>,
  createStart?: (denoiser: Denoiser) => Promise<Start>,
): AsyncGenerator<Iteration> {
  const { settings, signal } = run;
  const denoiser = await denoiserOf(pipeline, run);
  const differentiated = withSparseJacobian(denoiser, run);
  const builder = await createBuilder();
  const objective = await pipeline.objective({ ...settings, parts: builder.parts });
  const begun = (await createStart?.(denoiser)) ?? startFromSeed(pipeline, run);
  const start = await laterStart(begun, denoiser, run);
  const { sampler, free, startIndex = 0 } = start;
  const latentsOf = start.latents ?? ((noise: Float64Array) => noise);
  const shape = pipeline.latentShape(settings);
  const unrestricted = createOptimiser(settings, {
    norm: settings.renormalise ? norm(free ? freeElements(start.noise, free) : start.noise) : undefined,
    noise: clipNoise(pipeline, run),
  });
  const optimiser = free ? onFreeElements(unrestricted, free) : unrestricted;
  const keeper = bestKeeper(settings.keep);
  const stop = stopRule(settings);

  let latent = start.noise;
  const held = heldState<Float64Array>(
    () => latent,
    (state) => {
      latent = state;
    },
  );
  const { memory } = builder;
  const terms = await frameTerms(pipeline, run);
  const losses = imageLoss({ builder, objective, terms, shape, compares: optimiser.compares }, run);
  const parts = {
    latent: held,
    optimiser,
    keeper,
    stop,
    ...(memory && { objective: memory }),
    ...((optimiser.compares || settings.frames > 1) && { losses }),
  };
  for await (const iteration of run.iterations(parts)) {
    const walk = { signal, startIndex, onStep: run.stepReporter('denoise', iteration) };
    const isLast = iteration === settings.iterations;
    let trajectory: Trajectory | undefined;
    const finals = await withinIteration(run.method, iteration, async () => {
      if (isLast) return sample(sampler, denoiser, latentsOf(latent), walk);
      const gradientSteps = settings.gradientSteps || sampler.steps;
      trajectory = await runTrajectory(settings.trajectory, sampler, differentiated, latentsOf(latent), {
        ...walk,
        gradientSteps,
      });
      return trajectory.final;
    });
    signal?.throwIfAborted();
    const decoded = await decodeFrames(pipeline, run, finals[0], iteration);
    const { finish } = start;
    const frames = finish ? decoded.map(finish) : decoded;
    const { clip, frameScores, overFrames, failure: unscored } = await judge(pipeline, run, frames);
    const chosen = await selection(builder.scorers, settings.keep, frames, frameScores);
    const unjudged = unscored ?? chosen.failure;
    const value: ImageValue = unjudged
      ? { results: [], compared: Number.NaN }
      : await losses.value(frames, iteration, finals, worstFrame(frameScores));
    const { built, jitter, results, compared, failure = unjudged } = value;
    const loss = {
      total: totalOf(results),
      ...meanParts(
        results.map(({ parts }) => parts),
        results.map(() => 1),
      ),
      ...(compared !== totalOf(results) && { compared }),
    };
    const usable = Number.isFinite(loss.total);
    const isEnough = stop.isEnough({ loss, clip, objective: chosen.objective });
    yield run.report({
      iteration,
      latent,
      isNoise: startIndex === 0,
      ...shownFrames(frames, settings),
      loss: usable ? loss : undefined,
      clip,
      saliency: built?.saliency,
      regions: built?.regions,
      ...(overFrames && { overFrames: { ...overFrames, ...(jitter === undefined ? {} : { jitter }) } }),
      ...(chosen.scores && { scores: chosen.scores, objective: chosen.objective }),
      best: keeper.isBest({ loss, clip, objective: chosen.objective }),
    });
    await withinIteration(run.method, iteration, async () => {
      if (failure) throw failure;
      assertFinite('the loss', [loss.total]);
      if (!trajectory || isEnough || run.isLast(iteration)) return;
      const other = optimiser.reconsider?.(latent, loss.total);
      if (other) {
        latent = other;
        return;
      }
      const followed = await losses.forGradient(value);
      assertFinite('the loss', [totalOf(followed)]);
      const cotangents = followed.map(({ gradient }) => gradient);
      for (const cotangent of cotangents) assertFinite('the gradient of the loss', cotangent);
      const gradient = await trajectory.pullback(cotangents, {
        signal,
        onStep: run.stepReporter('gradient', iteration),
      });
      assertFinite('the gradient of the noise', gradient);
      // Of the mean of the losses, as they are reported.
      const mean = finals.length === 1 ? gradient : gradient.map((value) => value / finals.length);
      latent = optimiser.update(latent, sharedGradient(mean, shape, settings.sharedNoise), totalOf(followed));
    });
    if (isEnough) return;
  }
}

/** The denoiser whose gradient goes through a share of the network calls, drawn from the run's stream. */
function withSparseJacobian(
  denoiser: Denoiser,
  { settings: { jacobianShare }, random }: Run<NoiseSettings>,
): Denoiser {
  if (jacobianShare === 1) return denoiser;
  return sparseJacobian(denoiser, jacobianShare, () => random.rand([1])[0]);
}
