/**
 * @file Refining an image: it is encoded and inverted to the noise that it comes from, and SGOOL optimises that noise, so that
 * the composition stays and the match improves. If the caller says what the image shows now, it is inverted under that
 * description and sampled again under the prompt, which changes what the two differ in.
 *
 * EDICT carries two latents. Inverted from one image they end a little apart, and that difference is needed to reproduce the
 * image: the mean of the two is optimised, their difference stays.
 *
 * The edit `sdedit` is the plain rival: the image is noised to the strength and sampled again, by any sampler. With iterations, SGOOL
 * optimises the noised latent.
 *
 * Reference: Wallace, Gokul, Naik 2023, "EDICT: Exact Diffusion Inversion via Coupled Transformations".
 */
import type { Denoiser } from '../../diffusion/denoiser.ts';
import { inpaintingBlend, mixedLatent, noisedChain } from '../../diffusion/inpainting-blend.ts';
import { invertChain } from '../../diffusion/inversion.ts';
import type { Latents, Sampler } from '../../diffusion/sampler.ts';
import { sample } from '../../diffusion/trajectory.ts';
import { UserError } from '../../errors.ts';
import type { Image, ImageSize } from '../../image/image.ts';
import { composite, openElements, softEdge } from '../../image/mask.ts';
import type { ModelInfo } from '../../models/model-info.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { withPromptFiles } from '../../pipeline/prompt-files.ts';
import { randomSource } from '../../random/random-source.ts';
import { type MethodRequest, parseMethodRequest } from '../../request/request.ts';
import { type GenerateOptions, type Generation, runToEnd } from '../generate.ts';
import { METHODS } from '../index.ts';
import { createMethod, settingsOf } from '../run/create-method.ts';
import type { Iteration } from '../run/iteration.ts';
import type { Method } from '../run/method.ts';
import { movingPart, optimiseNoise, type Start } from '../run/optimise-noise.ts';
import {
  denoiserOf,
  drawFreshNoise,
  judge,
  type Run,
  samplerOf,
  stoppedIn,
  withinIteration,
} from '../run/run.ts';
import { type SgoolSettings, salientObjective, sgool } from '../sgool.ts';
import { fittingNotes, type PreparedImage, prepareImage } from './fit-image.ts';
import {
  type EditName,
  INVERTIBLE_SAMPLER,
  methodRequest,
  parseRefineRequest,
  type RefineRequest,
  type RefineSource,
} from './refine-request.ts';

/** Updates are this many times shorter than in generation, so that the image keeps its composition. */
const STEPS_SHORTER = 2.5;

/**
 * SGOOL that begins with an image instead of a seed. Iteration 0 is what the autoencoder keeps of the image; with a source
 * prompt it is the image that the same noise gives under the prompt.
 */
export interface RefineMethod extends Method<'sgool', SgoolSettings> {
  /** The image in the size of the model. @throws UserError where nothing is left of the mask in that size */
  prepare(size: ImageSize): PreparedImage;
  /** Lines for the user about how the image is fitted to the size. */
  notes(size: ImageSize): string[];
}

/** What `refine` returns: the result, and the image that it began with. */
export interface Refinement extends Generation {
  /** The image as the model takes it: fitted to its size. */
  readonly input: Image;
}

/**
 * Refines an image.
 *
 * @throws UserError where the request or the model is not usable, or a gradient is not finite
 */
export async function refine(request: RefineRequest, options: GenerateOptions = {}): Promise<Refinement> {
  const parsed = parseRefineRequest(request);
  const method = refinement(parsed);
  const pipeline =
    options.pipeline ?? (await loadPipeline(parsed.model, await withPromptFiles(options, parsed)));
  try {
    const given = methodRequest(parsed);
    const settings = settingsOf(method, pipeline, parseMethodRequest(given, method, METHODS));
    const { image: input } = method.prepare(settings);
    return { input, ...(await runToEnd(method.run(pipeline, given, options), options)) };
  } finally {
    if (!options.pipeline) await pipeline.dispose();
  }
}

/**
 * The method that refines one image: SGOOL with another start. It takes requests to SGOOL.
 *
 * @param source the image, its mask, and how they are used
 */
export function refinement(source: RefineSource): RefineMethod {
  const prepared = new Map<string, PreparedImage>();
  function prepare(size: ImageSize): PreparedImage {
    const key = `${size.width}x${size.height}`;
    const fitted = prepared.get(key) ?? prepareImage(source, size);
    if (fitted.open?.includes(1) === false) {
      throw new UserError(
        `refine: nothing is left of the mask at ${size.width} x ${size.height}; mark a larger part of the image`,
      );
    }
    prepared.set(key, fitted);
    return fitted;
  }
  const { start, runsPlain, ...own } = EDITS[source.edit];
  const definition = {
    ...sgool,
    ...own,
    run(pipeline: Pipeline, run: Run<SgoolSettings>) {
      const fitted = prepare(run.settings);
      const masked = { ...run, request: { ...run.request, ...saliencyMask(fitted) } };
      if (runsPlain?.(run.settings)) return plainEdit(pipeline, masked, fitted, source);
      return optimiseNoise(
        pipeline,
        masked,
        () => salientObjective(pipeline, masked),
        (denoiser) => start(pipeline, masked, denoiser, fitted, source),
      );
    },
  };
  return {
    ...createMethod(definition, METHODS),
    prepare,
    notes: (size) => fittingNotes(source, size),
  };
}

/** The mask of the saliency model `mask`: the part that may change is salient. */
function saliencyMask({ image, open }: PreparedImage): Pick<MethodRequest, 'mask'> {
  if (!open) return {};
  const data = Uint8Array.from(image.data, (_, i) => 255 * open[Math.floor(i / 3)]);
  return { mask: { ...image, data } };
}

/** A way to begin with an image. */
interface Edit {
  readonly summary: string;
  /** Defaults that differ from the common ones, where they are not those of SGOOL. */
  readonly defaults?: (model: ModelInfo) => Partial<SgoolSettings>;
  readonly everyPreset: (defaults: SgoolSettings) => Partial<SgoolSettings>;
  start(
    pipeline: Pipeline,
    run: Run<SgoolSettings>,
    denoiser: Denoiser,
    image: PreparedImage,
    source: RefineSource,
  ): Promise<Start>;
  /** Whether a run with these settings makes its one image without a loss, so that no CLIP is needed. */
  readonly runsPlain?: (settings: SgoolSettings) => boolean;
}

const EDITS: Readonly<Record<EditName, Edit>> = {
  edict: {
    summary: 'optimises the noise that an image comes from until the image matches the prompt',
    everyPreset: ({ learningRate }) => ({
      sampler: INVERTIBLE_SAMPLER,
      // Inverted under strong guidance, an image becomes a noise that no generation begins with: decision 0010.
      guidanceScale: 1,
      learningRate: learningRate / STEPS_SHORTER,
    }),
    start: startFromInversion,
  },
  sdedit: {
    summary: 'noises an image and samples it again under the prompt',
    // The sampler is the model's, as for plain generation, and nothing is optimised unless asked for.
    defaults: () => ({}),
    everyPreset: () => ({ iterations: 0 }),
    start: startFromNoised,
    runsPlain: ({ iterations }) => iterations === 0,
  },
};

/** The image of a start as it is: one pass through the sampler. */
async function* plainEdit(
  pipeline: Pipeline,
  run: Run<SgoolSettings>,
  image: PreparedImage,
  source: RefineSource,
): AsyncGenerator<Iteration> {
  const { settings, signal } = run;
  const denoiser = await denoiserOf(pipeline, run);
  const start = await startFromNoised(pipeline, run, denoiser, image, source);
  const { sampler, noise, startIndex } = start;
  const [final] = await withinIteration('refine', 0, () =>
    sample(sampler, denoiser, noise, { signal, startIndex, onStep: run.stepReporter('denoise', 0) }),
  );
  const decoded = await pipeline.decode(final, settings);
  const edited = start.finish?.(decoded) ?? decoded;
  const { clip, failure } = await judge(pipeline, run, edited);
  yield run.report({ iteration: 0, latent: noise, image: edited, clip, best: true });
  if (failure) throw stoppedIn('refine', 0, failure);
}

/** EDICT's inversion of the image. */
async function startFromInversion(
  pipeline: Pipeline,
  run: Run<SgoolSettings>,
  denoiser: Denoiser,
  prepared: PreparedImage,
  { sourcePrompt, strength, feather }: RefineSource,
): Promise<Start> {
  const { settings, signal, stepReporter } = run;
  const startIndex = settings.steps - Math.max(1, Math.round(strength * settings.steps));
  // EDICT's published code lets the pair take turns from the first step that runs.
  const sampler = samplerOf(pipeline, settings, { firstStep: startIndex });
  const clean = await pipeline.encode(prepared.image);
  const onStep = stepReporter('invert', 0);
  const back =
    sourcePrompt === undefined ? denoiser : await denoiserOf(pipeline, run, { prompt: sourcePrompt });
  const known = await withinIteration('refine', 0, () =>
    invertChain(sampler, back, [clean, clean], { startIndex, signal, onStep }),
  );
  const start = { ...movingPart(known[0]), startIndex };
  return { ...start, ...withinMask(sampler, known, startIndex, denoiser, prepared, feather) };
}

/**
 * The image with as much noise as a later step of the sampler begins with.
 *
 * A sample of the autoencoder's posterior, the noise, and the noise that stochastic samplers add are drawn from the stream of the
 * seed in this order, as diffusers' StableDiffusionImg2ImgPipeline draws them.
 *
 * Reference: Meng et al. 2022, "SDEdit: Guided Image Synthesis and Editing with Stochastic Differential Equations".
 *
 * @throws UserError where the strength is less than one step
 */
async function startFromNoised(
  pipeline: Pipeline,
  { settings, seed }: Run<SgoolSettings>,
  denoiser: Denoiser,
  prepared: PreparedImage,
  { strength, feather }: RefineSource,
): Promise<Start> {
  const { steps, rng } = settings;
  const taken = Math.floor(strength * steps);
  if (taken === 0) {
    throw new UserError(
      `refine: strength ${strength} of ${steps} steps is less than one step; use ${Math.ceil(1e4 / steps) / 1e4} or more, or more steps`,
    );
  }
  const startIndex = steps - taken;
  const random = randomSource(rng, seed);
  const draw = () => Float64Array.from(random.randn(denoiser.latentShape));
  const clean = await pipeline.encode(prepared.image, draw());
  const noise = draw();
  const freshNoise = drawFreshNoise(pipeline, settings, noise.length, random, startIndex);
  const sampler = samplerOf(pipeline, settings, { freshNoise, firstStep: startIndex });
  const known = prepared.open && noisedChain(sampler, clean, noise, startIndex);
  return {
    noise: mixedLatent(sampler, clean, noise, startIndex),
    startIndex,
    ...withinMask(sampler, known, startIndex, denoiser, prepared, feather),
  };
}

/** What keeps the part that a mask protects: a sampler that follows a known chain there, and the pixels of the image at the end. */
function withinMask(
  sampler: Sampler,
  known: readonly (Latents | undefined)[] | undefined,
  startIndex: number,
  { latentShape }: Denoiser,
  { image, open }: PreparedImage,
  feather: number | undefined,
): Pick<Start, 'sampler' | 'free' | 'finish'> {
  if (!open || !known) return { sampler };
  const free = openElements(open, image.width, latentShape);
  const edge = feather ?? Math.round(Math.min(image.width, image.height) / 64);
  const weights = softEdge(open, image.width, edge);
  return {
    sampler: inpaintingBlend(sampler, free, known, startIndex),
    free,
    finish: (decoded) => composite(image, decoded, weights),
  };
}
