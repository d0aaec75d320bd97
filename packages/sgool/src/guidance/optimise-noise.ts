/**
 * @file The loop that DOODL and SGOOL share: picture from noise, loss of the picture, gradient back to the noise, update.
 * What the loss looks at is the method's.
 *
 * Reference: Wallace et al. 2023 (DOODL); Wang et al. 2024 (SGOOL).
 */
import { runTrajectory, sample, type Trajectory } from '../diffusion/index.ts';
import type { Image } from '../image/index.ts';
import type { Region, SaliencyMap } from '../saliency/index.ts';
import { latentOptimiser, norm } from './latent-optimiser.ts';
import type { Iteration, LossParts, Method, RunOptions } from './method.ts';
import type { ObjectiveInput, ObjectiveResult } from './objective.ts';
import type { Pipeline } from './pipeline.ts';
import type { GenerationRequest } from './request.ts';
import { assertFinite, beginRun, bestKeeper, type Run, samplerOf, withinIteration } from './run.ts';

/** What a method looks at in the picture of an iteration. */
export interface Look {
  /** The views for one result of the sampler; called for each of them, so that random cutouts differ. */
  readonly objective: () => ObjectiveInput;
  /** Names the parts of the loss, from the distances of the views. */
  readonly parts: (distances: Float32Array) => { whole: number; regions?: number };
  readonly saliency?: SaliencyMap;
  readonly regions?: readonly Region[];
}

/** Made once per run; then called for each iteration's picture. */
export interface Looker {
  /** Most views that `objective` will give. */
  readonly views: number;
  look(image: Image, iteration: number): Promise<Look>;
}

/** Runs the loop. Yields each picture before its gradient is taken; the last iteration takes none. */
export async function* optimiseNoise(
  method: Pick<Method, 'name' | 'defaults'>,
  pipeline: Pipeline,
  input: GenerationRequest,
  options: RunOptions | undefined,
  createLooker: (run: Run) => Promise<Looker>,
): AsyncGenerator<Iteration> {
  const run = beginRun(method, pipeline, input, options);
  const { settings, request, signal, evaluations, random } = run;
  const sampler = samplerOf(pipeline, settings);
  const denoiser = await pipeline.denoiser({ ...request, ...settings, evaluations });
  const looker = await createLooker(run);
  const objective = await pipeline.objective({ ...settings, views: looker.views });
  const optimiser = latentOptimiser(settings, {
    norm: settings.renormalise ? norm(run.noise) : undefined,
    noise: (count) => random.randn([count]),
  });
  const isBest = bestKeeper(settings.keep);
  /** Latents that the sampler starts from the one noise: EDICT's pair. */
  const copies = sampler.initial(run.noise).length;

  let latent = run.noise;
  for (let iteration = 0; iteration <= settings.iterations; iteration++) {
    const walk = { signal, onStep: run.stepReporter('denoise', iteration) };
    const isLast = iteration === settings.iterations;
    let trajectory: Trajectory | undefined;
    const finals = await withinIteration(method.name, iteration, async () => {
      if (isLast) return sample(sampler, denoiser, latent, walk);
      const gradientSteps = settings.gradientSteps || sampler.steps;
      trajectory = await runTrajectory(settings.trajectory, sampler, denoiser, latent, {
        ...walk,
        gradientSteps,
      });
      return trajectory.final;
    });
    signal?.throwIfAborted();
    const image = await pipeline.decode(finals[0], settings);
    const clip = await pipeline.score(image, request.prompt);
    const look = await looker.look(image, iteration);

    const results: ObjectiveResult[] = [];
    for (const final of finals) {
      signal?.throwIfAborted();
      results.push(await objective.evaluate(final, look.objective()));
    }
    const loss = meanLoss(results.map(({ total, distances }) => ({ total, ...look.parts(distances) })));
    const usable = Number.isFinite(loss.total);
    yield run.report({
      iteration,
      latent,
      image,
      loss: usable ? loss : undefined,
      clip,
      saliency: look.saliency,
      regions: look.regions,
      best: isBest({ loss, clip }),
    });
    await withinIteration(method.name, iteration, async () => {
      assertFinite('the loss', [loss.total]);
      if (!trajectory) return;
      const cotangents = results.map(({ gradient }) => gradient);
      for (const cotangent of cotangents) assertFinite('the gradient of the loss', cotangent);
      const gradient = await trajectory.pullback(cotangents, {
        signal,
        onStep: run.stepReporter('gradient', iteration),
      });
      assertFinite('the gradient of the noise', gradient);
      latent = optimiser.update(latent, copies === 1 ? gradient : gradient.map((value) => value / copies));
    });
  }
}

/** Mean over the results of the sampler, part by part. */
function meanLoss(losses: readonly LossParts[]): LossParts {
  const mean = (pick: (loss: LossParts) => number | undefined) =>
    losses[0] && pick(losses[0]) === undefined
      ? undefined
      : losses.reduce((sum, loss) => sum + pick(loss)!, 0) / losses.length;
  return {
    total: mean(({ total }) => total)!,
    whole: mean(({ whole }) => whole),
    regions: mean(({ regions }) => regions),
  };
}
