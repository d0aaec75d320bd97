/**
 * @file Refining an image that exists: it is encoded, walked back to the noise that it comes from, and that noise is
 * optimised by SGOOL, so that the composition stays and the match improves. Where the caller says what the image
 * shows now, it is walked back under that description and forth under the prompt, which changes what the two differ in.
 *
 * EDICT carries two latents. Walked back from one image they end a little apart, and that difference is needed to come
 * back to the image: their mean is what is optimised, the difference stays.
 *
 * Reference: Wallace, Gokul, Naik 2023, "EDICT: Exact Diffusion Inversion via Coupled Transformations".
 */
import type { Denoiser } from '../../diffusion/denoiser.ts';
import { inpaintingBlend } from '../../diffusion/inpainting-blend.ts';
import { invertChain } from '../../diffusion/inversion.ts';
import { UserError } from '../../errors.ts';
import type { Image, ImageSize } from '../../image/image.ts';
import { composite, openElements, softEdge } from '../../image/mask.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import {
  generationRequest,
  parseRefineRequest,
  type RefineRequest,
  type RefineSource,
} from '../../request/refine-request.ts';
import { type GenerationRequest, parseRequest } from '../../request/request.ts';
import { type GenerateOptions, type Generation, runToEnd } from '../generate.ts';
import type { Method } from '../run/method.ts';
import { optimiseNoise, type Start } from '../run/optimise-noise.ts';
import { type Run, samplerOf, settingsOf, withinIteration } from '../run/run.ts';
import { salientObjective, sgool } from '../sgool.ts';
import { fittingNotes, type PreparedImage, prepareImage } from './fit-image.ts';

/** So many times shorter than in generation are the steps: an image that is to be kept leaves less room to go astray in. */
const STEPS_SHORTER = 2.5;

/**
 * SGOOL that begins with an image instead of a seed. Iteration 0 is what the autoencoder keeps of the image; with a source
 * prompt it is the image that the same noise gives under the prompt.
 */
export interface RefineMethod extends Method {
  /** The image in the size of the model. @throws UserError where nothing is left of the mask in that size */
  prepare(size: ImageSize): PreparedImage;
  /** What a user should know of how the image is fitted to the size. */
  notes(size: ImageSize): string[];
}

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
  const pipeline = options.pipeline ?? (await loadPipeline(parsed.model, options));
  try {
    const asked = parseRequest(generationRequest(parsed));
    const { image: input } = method.prepare(settingsOf(method, pipeline, asked));
    return { input, ...(await runToEnd(method.run(pipeline, asked, options), options)) };
  } finally {
    if (!options.pipeline) await pipeline.dispose();
  }
}

/**
 * The method that refines one image; what it is run with are the settings of SGOOL.
 *
 * @param source the image, its mask, and how they are meant
 */
export function refinement(source: RefineSource): RefineMethod {
  const prepared = new Map<string, PreparedImage>();
  const method: RefineMethod = {
    name: 'sgool',
    summary: 'moves the noise that an image comes from until it matches the prompt',
    defaults(model, preset) {
      const settings = sgool.defaults(model, preset);
      return {
        ...settings,
        sampler: 'edict',
        // Walked back under strong guidance an image becomes a noise that no generation begins with: decision 0010.
        guidanceScale: 1,
        learningRate: settings.learningRate / STEPS_SHORTER,
      };
    },
    prepare(size) {
      const key = `${size.width}x${size.height}`;
      const fitted = prepared.get(key) ?? prepareImage(source, size);
      if (fitted.open?.includes(1) === false) {
        throw new UserError(
          `refine: nothing is left of the mask at ${size.width} x ${size.height}; mark a larger part of the image`,
        );
      }
      prepared.set(key, fitted);
      return fitted;
    },
    notes: (size) => fittingNotes(source, size),
    run(pipeline, request, options) {
      const fitted = method.prepare(settingsOf(method, pipeline, parseRequest(request)));
      return optimiseNoise(
        method,
        pipeline,
        withMask(request, fitted),
        options,
        (run) => salientObjective(pipeline, run),
        (run, denoiser) => startFromImage(pipeline, run, denoiser, fitted, source),
      );
    },
  };
  return method;
}

/** For the saliency detector `mask`: what may change is where to built. */
function withMask(request: GenerationRequest, { image, open }: PreparedImage): GenerationRequest {
  if (!open) return request;
  const data = Uint8Array.from(image.data, (_, i) => 255 * open[Math.floor(i / 3)]);
  return { ...request, mask: { ...image, data } };
}

async function startFromImage(
  pipeline: Pipeline,
  { request, settings, evaluations, signal, stepReporter }: Run,
  denoiser: Denoiser,
  { image, open }: PreparedImage,
  { sourcePrompt, strength, feather }: RefineSource,
): Promise<Start> {
  const sampler = samplerOf(pipeline, settings);
  const startIndex = sampler.steps - Math.max(1, Math.round(strength * sampler.steps));
  const clean = await pipeline.encode(image);
  const onStep = stepReporter('invert', 0);
  const back =
    sourcePrompt === undefined
      ? denoiser
      : await pipeline.denoiser({ ...request, ...settings, prompt: sourcePrompt, evaluations });
  const known = await withinIteration('refine', 0, () =>
    invertChain(sampler, back, [clean, clean], { startIndex, signal, onStep }),
  );
  const [x, y] = known[0];
  const mean = x.map((value, i) => (value + y[i]) / 2);
  const apart = x.map((value, i) => (value - y[i]) / 2);
  const start = {
    noise: mean,
    startIndex,
    latents: (noise: Float64Array) => [
      noise.map((value, i) => value + apart[i]),
      noise.map((value, i) => value - apart[i]),
    ],
  };
  if (!open) return { ...start, sampler };

  const free = openElements(open, image.width, denoiser.latentShape);
  const edge = feather ?? Math.round(Math.min(image.width, image.height) / 64);
  const weights = softEdge(open, image.width, edge);
  return {
    ...start,
    sampler: inpaintingBlend(sampler, free, known, startIndex),
    free,
    finish: (decoded) => composite(image, decoded, weights),
  };
}
