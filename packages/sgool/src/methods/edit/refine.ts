/**
 * @file Refining an image, or a clip, of which a picture is one frame: it is encoded and inverted to the noise that it comes from, and SGOOL optimises that noise, so that
 * the composition stays and the match improves. If the caller says what the image shows now, it is inverted under that
 * description and sampled again under the prompt, which changes what the two differ in.
 *
 * EDICT carries two latents. Inverted from one image they end a little apart, and that difference is needed to reproduce the
 * image: the mean of the two is optimised, their difference stays.
 *
 * The edit `sdedit` is the plain rival: the image is noised to the strength and sampled again, by any sampler. With iterations, SGOOL
 * optimises the noised latent.
 *
 * The edit `p2p` inverts the image under its description, and samples it again under the prompt with the attention of that description.
 *
 * The edit `rf-inversion` takes the image to noise and back by the controlled equations of RF-inversion.
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
import type { Latents, Sampler } from '../../diffusion/sampler.ts';
import { isPairSampler, PAIR_SAMPLERS } from '../../diffusion/sampler-names.ts';
import { sample } from '../../diffusion/trajectory.ts';
import { oneOf, UserError } from '../../errors.ts';
import type { Image, ImageSize } from '../../image/image.ts';
import { secondsOf } from '../../image/video/video.ts';
import type { ModelInfo } from '../../models/model-info.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { withPromptFiles } from '../../pipeline/prompt-files.ts';
import { parseMethodRequest } from '../../request/request.ts';
import { type GenerateOptions, type Generation, runToEnd } from '../generate.ts';
import { METHODS } from '../index.ts';
import { createMethod, settingsOf } from '../run/create-method.ts';
import { decodeFrames, encodeFrames, judge, middleFrame, shownFrames } from '../run/frames.ts';
import type { Iteration } from '../run/iteration.ts';
import { movingPart, optimiseNoise, type Start } from '../run/optimise-noise.ts';
import { denoiserOf, type Run, samplerOf, stoppedIn, withinIteration } from '../run/run.ts';
import { type SgoolSettings, salientObjective, sgool } from '../sgool.ts';
import { fittingNotes, type PreparedImage, prepareImage } from './fit-image.ts';
import type { ImageMethod } from './image-method.ts';
import { pairedDenoiserOf, pairedSampler, sideBySide } from './prompt-to-prompt.ts';
import {
  DEFAULT_INVERSION,
  type EditName,
  firstInvertedStep,
  methodRequest,
  parseRefineRequest,
  type RefineRequest,
  type RefineSource,
} from './refine-request.ts';
import { checkControl, startFromControlled } from './rf-inversion.ts';
import { startFromNoised, startPainting, withinMask } from './sdedit.ts';

/** Updates are this many times shorter than in generation, so that the image keeps its composition. */
const STEPS_SHORTER = 2.5;

/**
 * SGOOL that begins with an image instead of a seed. Iteration 0 is what the autoencoder keeps of the image; with a source
 * prompt it is the image that the same noise gives under the prompt.
 */
export interface RefineMethod extends ImageMethod<'sgool', SgoolSettings> {
  /** The image in the size of the model. @throws UserError where nothing is left of the mask in that size */
  prepare(size: ImageSize): PreparedImage;
}

/** What `refine` returns: the result, and the image that it began with. */
export interface Refinement extends Generation {
  /** The image as the model takes it: fitted to its size. Of a clip its middle frame. */
  readonly input: Image;
  /** All frames of a clip; absent for a picture. */
  readonly inputFrames?: readonly Image[];
}

/**
 * Refines an image, or a clip with a model that makes clips.
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
    const { images } = method.prepare(settings);
    return {
      input: middleFrame(images),
      ...(images.length > 1 && { inputFrames: images }),
      ...(await runToEnd(method.run(pipeline, given, options), options)),
    };
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
  const given = { ...source, images: source.taken.frames };
  const prepared = new Map<string, PreparedImage>();
  function prepare(size: ImageSize): PreparedImage {
    const key = `${size.width}x${size.height}`;
    const fitted = prepared.get(key) ?? prepareImage(given, size);
    if (fitted.open?.includes(1) === false) {
      throw new UserError(
        `refine: nothing is left of the mask at ${size.width} x ${size.height}; mark a larger part of the image`,
      );
    }
    prepared.set(key, fitted);
    return fitted;
  }
  const paints = ({ paintsMask }: Pick<ModelInfo, 'paintsMask'>) =>
    paintsMask === true && source.mask !== undefined;
  const beginning = (model: ModelInfo) => BEGINNINGS[paints(model) ? 'painting' : source.edit];
  const definition = {
    ...sgool,
    summary: 'changes a given image until it matches the prompt',
    defaults: (model: ModelInfo) => beginning(model).defaults(model),
    everyPreset: (defaults: SgoolSettings, model: ModelInfo) => beginning(model).everyPreset(defaults, model),
    check: (settings: SgoolSettings, model: ModelInfo) => beginning(model).check?.(settings, source),
    run(pipeline: Pipeline, run: Run<SgoolSettings>) {
      const { start, runsPlain, denoiser } = beginning(pipeline.model);
      const fitted = prepare(run.settings);
      const masked = withMask(run, fitted, source);
      const begin = (denoiser: Denoiser) => start(pipeline, masked, denoiser, fitted, source);
      if (runsPlain?.(run.settings)) {
        const open = denoiser ?? denoiserOf;
        return plainEdit(pipeline, masked, () => open(pipeline, masked, source), begin);
      }
      return optimiseNoise(pipeline, masked, () => salientObjective(pipeline, masked), begin);
    },
  };
  return {
    ...createMethod(definition, METHODS),
    prepare,
    paints,
    notes: (size, model) => [
      ...takenNotes(source),
      ...fittingNotes(given, size),
      ...paintingNotes(model, paints(model)),
    ],
  };
}

/** A line for the user where not all frames of a clip are taken, or they are shown at another rate. */
function takenNotes({ clip, taken }: Pick<RefineSource, 'clip' | 'taken'>): string[] {
  const seconds = secondsOf(clip);
  const [has, shows] = [clip.frames.length, taken.frames.length];
  if (has === shows && Math.abs(seconds - secondsOf(taken)) < 0.01) return [];
  return [
    `the clip has ${has} frames in ${seconds.toFixed(2)} s: ${shows} are taken, ${taken.fps} in a second`,
  ];
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

/** A run that knows the part that may change: it is what the saliency model `mask` finds, and what a model for inpainting paints. */
function withMask<S extends SgoolSettings>(
  run: Run<S>,
  { images, open }: PreparedImage,
  { mask }: RefineSource,
): Run<S> {
  if (!open) return run;
  const [image] = images;
  const data = Uint8Array.from(image.data, (_, i) => 255 * open[Math.floor(i / 3)]);
  const request = { ...run.request, mask: { ...image, data } };
  // The bars of a letterbox are no mask: the network sees nothing there.
  return { ...run, request, ...(mask && { maskedImage: { images, open } }) };
}

/** A way to begin with an image. */
interface Beginning {
  /** Defaults that differ from the common ones. */
  defaults(model: ModelInfo): Partial<SgoolSettings>;
  everyPreset(defaults: SgoolSettings, model: ModelInfo): Partial<SgoolSettings>;
  /** Refuses what does not fit. @throws UserError that says what would be right */
  check?(settings: SgoolSettings, source: RefineSource): void;
  start(
    pipeline: Pipeline,
    run: Run<SgoolSettings>,
    denoiser: Denoiser,
    image: PreparedImage,
    source: RefineSource,
  ): Promise<Start>;
  /** The network, if it is not that of the prompt alone; for runs without a loss. */
  denoiser?(pipeline: Pipeline, run: Run<SgoolSettings>, source: RefineSource): Promise<Denoiser>;
  /** Whether a run with these settings makes its one image without a loss, so that no CLIP is needed. */
  runsPlain?(settings: SgoolSettings): boolean;
}

/** The edits that a request names, and that of a mask and a model for inpainting, which takes the place of `edict`. */
const BEGINNINGS: Readonly<Record<EditName | 'painting', Beginning>> = {
  edict: {
    defaults: sgool.defaults,
    everyPreset: ({ learningRate }, { inversion = DEFAULT_INVERSION }) => ({
      // Inverted under strong guidance, an image becomes a noise that no generation begins with: decision 0010.
      ...inversion,
      learningRate: learningRate / STEPS_SHORTER,
    }),
    check: refuseOtherSampler,
    start: startFromInversion,
  },
  sdedit: {
    // The sampler is the model's, as for plain generation, and nothing is optimised unless asked for.
    defaults: () => ({}),
    everyPreset: () => ({ iterations: 0 }),
    start: startFromNoised,
    runsPlain: ({ iterations }) => iterations === 0,
  },
  p2p: {
    defaults: () => ({}),
    everyPreset: () => ({ sampler: DEFAULT_INVERSION.sampler, iterations: 0 }),
    check(settings) {
      refuseOtherSampler(settings);
      if (settings.iterations === 0) return;
      throw new UserError(
        `refine: edit p2p makes one image, got iterations ${settings.iterations}; use 0, or edit edict`,
      );
    },
    denoiser: pairedDenoiserOf,
    start: startPaired,
    runsPlain: () => true,
  },
  'rf-inversion': {
    defaults: () => ({}),
    everyPreset: () => ({ sampler: 'euler', iterations: 0 }),
    check: checkControl,
    start: startFromControlled,
    runsPlain: ({ iterations }) => iterations === 0,
  },
  painting: {
    // As in generation.
    defaults: () => ({}),
    everyPreset: () => ({}),
    check: refuseEdit,
    start: startPainting,
  },
};

/** @throws UserError where the sampler cannot invert the image */
function refuseOtherSampler({ sampler }: Pick<SgoolSettings, 'sampler'>): void {
  if (isPairSampler(sampler)) return;
  throw new UserError(
    `refine: sampler must be ${oneOf(PAIR_SAMPLERS)}, got ${sampler}; no other sampler is exactly invertible, but edit sdedit takes any`,
  );
}

/** @throws UserError where the request says how an image is edited that is painted instead */
function refuseEdit(_: SgoolSettings, { edit, sourcePrompt }: RefineSource): void {
  if (edit !== 'edict') {
    throw new UserError(
      `refine: edit ${edit} does not go together with a mask and a model for inpainting, which paints the mask from noise itself; leave it out, and give iterations 0 for plain inpainting`,
    );
  }
  if (sourcePrompt !== undefined) {
    throw new UserError(
      'refine: sourcePrompt does not go together with a mask and a model for inpainting, which inverts nothing; leave it out',
    );
  }
}

/** The image, or the clip, of a start as it is: one pass through the sampler. */
async function* plainEdit(
  pipeline: Pipeline,
  run: Run<SgoolSettings>,
  open: () => Promise<Denoiser>,
  begin: (denoiser: Denoiser) => Promise<Start>,
): AsyncGenerator<Iteration> {
  const { settings, signal } = run;
  const denoiser = await open();
  const start = await begin(denoiser);
  const { sampler, noise, startIndex } = start;
  const [final] = await withinIteration('refine', 0, () =>
    sample(sampler, denoiser, start.latents?.(noise) ?? noise, {
      signal,
      startIndex,
      onStep: run.stepReporter('denoise', 0),
    }),
  );
  signal?.throwIfAborted();
  const decoded = await decodeFrames(pipeline, run, final, 0);
  const edited = start.finish ? decoded.map(start.finish) : decoded;
  const { clip, overFrames, failure } = await judge(pipeline, run, edited);
  const isNoise = (startIndex ?? 0) === 0;
  const shown = shownFrames(edited, settings);
  yield run.report({ iteration: 0, latent: noise, isNoise, ...shown, clip, overFrames, best: true });
  if (failure) throw stoppedIn('refine', 0, failure);
}

/** The states of the chain that ends in the image, and where it begins. */
async function inverted(
  pipeline: Pipeline,
  run: Run<SgoolSettings>,
  back: Denoiser,
  { images }: PreparedImage,
  strength: number,
): Promise<{ sampler: Sampler; known: Latents[]; startIndex: number }> {
  const { settings, signal, stepReporter } = run;
  const startIndex = firstInvertedStep(strength, settings.steps);
  // EDICT's published code lets the pair take turns from the first step that runs.
  const sampler = samplerOf(pipeline, settings, { firstStep: startIndex });
  const clean = await encodeFrames(pipeline, run, images);
  const onStep = stepReporter('invert', 0);
  const known = await withinIteration('refine', 0, () =>
    invertChain(sampler, back, [clean, clean], { startIndex, signal, onStep }),
  );
  return { sampler, known, startIndex };
}

/** The inversion of the image by a sampler that has an exact one. */
async function startFromInversion(
  pipeline: Pipeline,
  run: Run<SgoolSettings>,
  denoiser: Denoiser,
  prepared: PreparedImage,
  { sourcePrompt, strength, feather }: RefineSource,
): Promise<Start> {
  const back =
    sourcePrompt === undefined ? denoiser : await denoiserOf(pipeline, run, { prompt: sourcePrompt });
  const { sampler, known, startIndex } = await inverted(pipeline, run, back, prepared, strength);
  const start = { ...movingPart(known[0]), startIndex };
  return { ...start, ...withinMask(sampler, known, startIndex, denoiser, prepared, feather) };
}

/**
 * EDICT's inversion of the image under its description, without guidance; from there two chains go on side by side: that of the description,
 * which ends in the image, and that of the prompt, which is the result.
 */
async function startPaired(
  pipeline: Pipeline,
  run: Run<SgoolSettings>,
  _: Denoiser,
  prepared: PreparedImage,
  { sourcePrompt, strength, feather }: RefineSource,
): Promise<Start> {
  const back = await denoiserOf(pipeline, run, { prompt: sourcePrompt, guidanceScale: 1 });
  const { sampler, known, startIndex } = await inverted(pipeline, run, back, prepared, strength);
  const start = { ...movingPart(known[0]), startIndex };
  const { free, finish } = withinMask(sampler, undefined, startIndex, back, prepared, feather);
  if (!free) return { ...start, sampler: pairedSampler(sampler) };
  // All of the source is known.
  const freeOfBoth = new Uint8Array(2 * free.length);
  freeOfBoth.set(free, free.length);
  const knownOfBoth = known.map((state) => state.map((latent) => sideBySide(latent)));
  const blended = inpaintingBlend(sampler, freeOfBoth, knownOfBoth, startIndex);
  return { ...start, finish, sampler: pairedSampler(blended) };
}
