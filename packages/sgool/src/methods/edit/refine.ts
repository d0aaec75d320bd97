/**
 * @file Refining an image: it is encoded and inverted to the noise that it comes from, and SGOOL optimises that noise, so that
 * the composition stays and the match improves. If the caller says what the image shows now, it is inverted under that
 * description and sampled again under the prompt, which changes what the two differ in.
 *
 * EDICT carries two latents. Inverted from one image they end a little apart, and that difference is needed to reproduce the
 * image: the mean of the two is optimised, their difference stays.
 *
 * A model for inpainting sees the image around a mask, and paints what the mask leaves open: then nothing is inverted, and the noise
 * of the seed (with a strength below 1, the noised image) is optimised as in generation.
 *
 * Reference: Wallace, Gokul, Naik 2023, "EDICT: Exact Diffusion Inversion via Coupled Transformations"; diffusers,
 * StableDiffusionInpaintPipeline.
 */
import type { Denoiser } from '../../diffusion/denoiser.ts';
import { inpaintingBlend } from '../../diffusion/inpainting-blend.ts';
import { invertChain } from '../../diffusion/inversion.ts';
import { pathFrom } from '../../diffusion/later-start.ts';
import { UserError } from '../../errors.ts';
import type { Image, ImageSize } from '../../image/image.ts';
import { composite, openElements, softEdge } from '../../image/mask.ts';
import type { MaskedImage } from '../../models/backbone.ts';
import type { ModelInfo } from '../../models/model-info.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { withPromptLoras } from '../../pipeline/prompt-loras.ts';
import { type MethodRequest, parseMethodRequest } from '../../request/request.ts';
import { type GenerateOptions, type Generation, runToEnd } from '../generate.ts';
import { METHODS } from '../index.ts';
import { createMethod, settingsOf } from '../run/create-method.ts';
import type { Method } from '../run/method.ts';
import { optimiseNoise, type Start } from '../run/optimise-noise.ts';
import { denoiserOf, type Run, samplerOf, withinIteration } from '../run/run.ts';
import { type SgoolSettings, salientObjective, sgool } from '../sgool.ts';
import { fittingNotes, type PreparedImage, prepareImage } from './fit-image.ts';
import {
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
  /** Whether a model for inpainting paints what the mask leaves open, instead of changing what the image shows. */
  paints(model: Pick<ModelInfo, 'paintsMask'>): boolean;
  /** Lines for the user about how the image is fitted to the size, and what the model does with the mask. */
  notes(size: ImageSize, model: Pick<ModelInfo, 'paintsMask'>): string[];
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
    options.pipeline ?? (await loadPipeline(parsed.model, await withPromptLoras(options, parsed)));
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
  /** Whether the model paints what the mask leaves open itself. */
  const paints = ({ paintsMask }: Pick<ModelInfo, 'paintsMask'>) =>
    paintsMask === true && source.mask !== undefined;
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
  const definition = {
    ...sgool,
    summary: 'optimises the noise that an image comes from until the image matches the prompt',
    defaults: (model: ModelInfo) => (paints(model) ? {} : sgool.defaults(model)),
    everyPreset: ({ learningRate }: SgoolSettings, model: ModelInfo) =>
      paints(model)
        ? {}
        : {
            sampler: INVERTIBLE_SAMPLER,
            // Inverted under strong guidance, an image becomes a noise that no generation begins with: decision 0010.
            guidanceScale: 1,
            learningRate: learningRate / STEPS_SHORTER,
          },
    check(settings: SgoolSettings, model: ModelInfo) {
      if (paints(model)) refuseSourcePrompt(source);
      else refuseOtherSampler(settings);
    },
    run(pipeline: Pipeline, run: Run<SgoolSettings>) {
      const { image, open } = prepare(run.settings);
      const masked = { ...run, request: { ...run.request, ...saliencyMask({ image, open }) } };
      const painted = paints(pipeline.model) && open ? { image, open } : undefined;
      const begun = painted ? { ...masked, maskedImage: painted } : masked;
      return optimiseNoise(
        pipeline,
        begun,
        () => salientObjective(pipeline, begun),
        (denoiser) =>
          painted
            ? startPainting(pipeline, begun, denoiser, painted, source)
            : startFromImage(pipeline, begun, denoiser, { image, open }, source),
      );
    },
  };
  return {
    ...createMethod(definition, METHODS),
    prepare,
    paints,
    notes: (size, model) => [...fittingNotes(source, size), ...paintingNotes(model, paints(model))],
  };
}

/** Lines for the user about what a model for inpainting does. */
function paintingNotes({ paintsMask }: Pick<ModelInfo, 'paintsMask'>, paints: boolean): string[] {
  if (!paintsMask) return [];
  return [
    paints
      ? 'the model is for inpainting: it paints what the mask leaves open from the noise of the seed'
      : 'the model is for inpainting: without a mask it sees nothing of the image but its noise; give a mask to paint a part of it',
  ];
}

/** @throws UserError where the sampler cannot invert the image */
function refuseOtherSampler({ sampler }: Pick<SgoolSettings, 'sampler'>): void {
  if (sampler === INVERTIBLE_SAMPLER) return;
  throw new UserError(
    `refine: sampler must be ${INVERTIBLE_SAMPLER}, got ${sampler}; no other sampler is exactly invertible`,
  );
}

/** @throws UserError where the request describes an image that is not inverted */
function refuseSourcePrompt({ sourcePrompt }: RefineSource): void {
  if (sourcePrompt === undefined) return;
  throw new UserError(
    'refine: sourcePrompt does not go together with a mask and a model for inpainting, which inverts nothing; leave it out',
  );
}

/** The mask of the saliency model `mask`: the part that may change is salient. */
function saliencyMask({ image, open }: PreparedImage): Pick<MethodRequest, 'mask'> {
  if (!open) return {};
  const data = Uint8Array.from(image.data, (_, i) => 255 * open[Math.floor(i / 3)]);
  return { mask: { ...image, data } };
}

async function startFromImage(
  pipeline: Pipeline,
  run: Run<SgoolSettings>,
  denoiser: Denoiser,
  { image, open }: PreparedImage,
  { sourcePrompt, strength, feather }: RefineSource,
): Promise<Start> {
  const { settings, signal, stepReporter } = run;
  const startIndex = settings.steps - Math.max(1, Math.round(strength * settings.steps));
  // EDICT's published code lets the pair take turns from the first step that runs.
  const sampler = samplerOf(pipeline, settings, { firstStep: startIndex });
  const clean = await pipeline.encode(image);
  const onStep = stepReporter('invert', 0);
  const back =
    sourcePrompt === undefined ? denoiser : await denoiserOf(pipeline, run, { prompt: sourcePrompt });
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
  const parts = openParts({ image, open }, denoiser, feather);
  return { ...start, ...parts, sampler: inpaintingBlend(sampler, parts.free, known, startIndex) };
}

/** Where a model for inpainting begins: at the noise of the seed, or at the image noised to the first step that runs. */
async function startPainting(
  pipeline: Pipeline,
  { settings, noise, freshNoise }: Run<SgoolSettings>,
  denoiser: Denoiser,
  masked: MaskedImage,
  { strength, feather }: RefineSource,
): Promise<Start> {
  // Rounded down, as diffusers does.
  const skipped = settings.steps - Math.max(1, Math.floor(strength * settings.steps));
  const parts = openParts(masked, denoiser, feather);
  if (skipped === 0) return { ...parts, sampler: samplerOf(pipeline, settings, { freshNoise }), noise };
  const path = pipeline.noisePath(settings);
  let [signal, deviation] = [0, 1];
  const later = pathFrom(path, skipped, (level) => {
    [signal, deviation] = [path.signal(level), path.noise(level)];
  });
  const sampler = samplerOf({ noisePath: () => later }, settings, { freshNoise });
  const clean = await pipeline.encode(masked.image);
  const noised = clean.map((value, i) => signal * value + deviation * noise[i]);
  return { ...parts, sampler, noise: noised };
}

/** The elements of the noise that a mask leaves open, and the composition of the result. */
function openParts(
  { image, open }: MaskedImage,
  { latentShape }: Denoiser,
  feather: number | undefined,
): Required<Pick<Start, 'free' | 'finish'>> {
  const edge = feather ?? Math.round(Math.min(image.width, image.height) / 64);
  const weights = softEdge(open, image.width, edge);
  return {
    free: openElements(open, image.width, latentShape),
    finish: (decoded) => composite(image, decoded, weights),
  };
}
