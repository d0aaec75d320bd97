/**
 * @file Starts of a chain at a noised image, as image-to-image and inpainting pipelines have them, and what keeps the part of the image that
 * a mask protects.
 *
 * Reference: Meng et al. 2022, "SDEdit: Guided Image Synthesis and Editing with Stochastic Differential Equations"; diffusers,
 * StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, AnimateDiffVideoToVideoPipeline.
 */
import type { Denoiser } from '../../diffusion/denoiser.ts';
import { inpaintingBlend, mixedLatent, noisedChain } from '../../diffusion/inpainting-blend.ts';
import type { Latents, Sampler } from '../../diffusion/sampler.ts';
import { UserError } from '../../errors.ts';
import { composite, openElements, softEdge } from '../../image/mask.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { type RandomSource, randomSource } from '../../random/random-source.ts';
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import { encodeFrames } from '../run/frames.ts';
import type { Start } from '../run/optimise-noise.ts';
import { drawFreshNoise, drawNoise, type Run, samplerOf } from '../run/run.ts';
import type { PreparedImage } from './fit-image.ts';

/** How an image is noised, and how wide the soft edge of its mask is. */
export interface NoisedImage {
  /** Share of the steps that run. */
  readonly strength: number;
  /** In pixels. Default a 64th of the shorter side. */
  readonly feather?: number | undefined;
}

/** The part of a run that decides how it starts. */
type StartingRun = Pick<Run<SamplingSettings>, 'settings' | 'seed' | 'signal' | 'stepReporter'>;

/**
 * The image with as much noise as a later step of the sampler begins with.
 *
 * A sample of the autoencoder's posterior, of a clip one for each frame, the noise, and the noise that stochastic samplers add are drawn from
 * the stream of the seed in this order, as diffusers' StableDiffusionImg2ImgPipeline and AnimateDiffVideoToVideoPipeline draw them; the latter
 * draws the noise of a clip frame by frame, where it is that of a generated clip here.
 *
 * @throws UserError where the strength is less than one step
 */
export async function startFromNoised(
  pipeline: Pipeline,
  run: StartingRun,
  denoiser: Denoiser,
  prepared: PreparedImage,
  { strength, feather }: NoisedImage,
): Promise<Start> {
  const { settings, seed } = run;
  const startIndex = firstNoisedStep(strength, settings.steps);
  const random = randomSource(settings.rng, seed);
  const ofFrame = pipeline.latentShape({ ...settings, frames: 1 });
  const clean = await encodeFrames(pipeline, run, prepared.images, () =>
    Float64Array.from(random.randn(ofFrame)),
  );
  const { noise, sampler } = noisyChain(pipeline, settings, random, startIndex);
  const known = prepared.open && noisedChain(sampler, clean, noise, startIndex);
  return {
    noise: mixedLatent(sampler, clean, noise, startIndex),
    startIndex,
    ...withinMask(sampler, known, startIndex, denoiser, prepared, feather),
  };
}

/**
 * Where a model for inpainting begins: at the noise of the seed, or with a strength below 1 at the image noised to the first step that
 * runs, as diffusers' StableDiffusionInpaintPipeline does.
 *
 * @throws UserError where the strength is less than one step
 */
export async function startPainting(
  pipeline: Pipeline,
  run: StartingRun,
  denoiser: Denoiser,
  prepared: PreparedImage,
  { strength, feather }: NoisedImage,
): Promise<Start> {
  const { settings, seed } = run;
  const startIndex = firstNoisedStep(strength, settings.steps);
  const random = randomSource(settings.rng, seed);
  const { noise, sampler } = noisyChain(pipeline, settings, random, startIndex);
  const noised = async () =>
    mixedLatent(sampler, await encodeFrames(pipeline, run, prepared.images), noise, startIndex);
  return {
    noise: startIndex === 0 ? noise : await noised(),
    startIndex,
    ...withinMask(sampler, undefined, startIndex, denoiser, prepared, feather),
  };
}

/**
 * The first step of a chain that a strength leaves so many steps of, rounded down as diffusers does.
 *
 * @throws UserError where that is less than one step
 */
function firstNoisedStep(strength: number, steps: number): number {
  const taken = Math.floor(strength * steps);
  if (taken > 0) return steps - taken;
  throw new UserError(
    `refine: strength ${strength} of ${steps} steps is less than one step; use ${Math.ceil(1e4 / steps) / 1e4} or more, or more steps`,
  );
}

/** The next noise of a stream, and a sampler that begins at a step with its own draws right behind that noise. */
function noisyChain(
  pipeline: Pipeline,
  settings: SamplingSettings,
  random: RandomSource,
  startIndex: number,
): { noise: Float64Array; sampler: Sampler } {
  const noise = drawNoise(pipeline, settings, random);
  const freshNoise = drawFreshNoise(pipeline, settings, noise.length, random, startIndex);
  return { noise, sampler: samplerOf(pipeline, settings, { freshNoise, firstStep: startIndex }) };
}

/**
 * What keeps the part that a mask protects: a sampler that follows a known chain there (none is known where the network itself sees
 * that part), and the pixels of the image at the end.
 */
export function withinMask(
  sampler: Sampler,
  known: readonly (Latents | undefined)[] | undefined,
  startIndex: number,
  { latentShape }: Denoiser,
  { images, open }: PreparedImage,
  feather: number | undefined,
): Pick<Start, 'sampler' | 'free' | 'finish'> {
  if (!open) return { sampler };
  const [{ width, height }] = images;
  const free = openElements(open, width, latentShape);
  const edge = feather ?? Math.round(Math.min(width, height) / 64);
  const weights = softEdge(open, width, edge);
  return {
    sampler: known ? inpaintingBlend(sampler, free, known, startIndex) : sampler,
    free,
    finish: (decoded, frame) => composite(images[frame], decoded, weights),
  };
}
