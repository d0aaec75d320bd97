/**
 * @file The detail pass: behind the last iteration of a method the regions of its result are found, and each is repainted: cut out,
 * enlarged to the size of the model, noised to a strength, sampled again under a text of its own, and put back with a soft edge. Each region
 * is an iteration; all but the regions keeps its bytes.
 *
 * Region k takes the noise of the k-th seed behind the run's, the first one that of the run.
 *
 * Reference: Bing-su/adetailer (After Detailer), README. Its detectors find faces, hands and persons; here any saliency model finds what
 * people look at, or the user says where.
 */
import { SAMPLER_OPTIONS, type SamplerName } from '../../diffusion/sampler-names.ts';
import { sample } from '../../diffusion/trajectory.ts';
import { UserError } from '../../errors.ts';
import { boxText, parseBoxes } from '../../image/boxes.ts';
import { boxCrop, type CropBox } from '../../image/crops.ts';
import type { Image, ImageSize } from '../../image/image.ts';
import type { MaskedImage } from '../../models/backbone.ts';
import type { ModelInfo } from '../../models/model-info.ts';
import { dot, product } from '../../numbers.ts';
import { assignParts, promptParts } from '../../objectives/prompt-parts.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { isLoraTag } from '../../pipeline/prompt-loras.ts';
import { randomSource } from '../../random/random-source.ts';
import { laterSeed } from '../../random/seed.ts';
import { scoresBehind } from '../../request/detectors.ts';
import { INPUTS } from '../../request/request.ts';
import { detailSettings } from '../../request/settings/detail.ts';
import type { MethodSettings } from '../../request/settings/index.ts';
import { detectionSettings, regionSettings } from '../../request/settings/regions.ts';
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import type { SettingsOf, SettingsShape } from '../../request/settings/shape.ts';
import { MODEL_CLIP } from '../../request/wanted-scorer.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import { findRegions, type Region } from '../../saliency/regions.ts';
import { heldState } from '../../state.ts';
import { parsePrompt } from '../../text/prompt/prompt.ts';
import { startFromNoised, startPainting } from '../edit/sdedit.ts';
import { judge } from '../run/frames.ts';
import type { Iteration } from '../run/iteration.ts';
import type { MethodDefinition } from '../run/method.ts';
import { denoiserOf, drawFreshNoise, type Run, stoppedIn, withinIteration } from '../run/run.ts';
import { cropAround, enlargeCrop, enlargement, putBack } from './enlarged-crop.ts';
import { filterRegions, givenRegions, orderRegions, type RepaintMask, repaintMasks } from './region-masks.ts';
import { regionTexts, writtenTexts } from './region-texts.ts';

const { regionText } = regionSettings;

/** The settings of the pass. */
export const passSettings = { ...detectionSettings, regionText, ...detailSettings };

/** @interface */
export type PassSettings = SettingsOf<typeof passSettings>;

/** Whether a method has the pass. */
export const hasPass = ({ settings }: { readonly settings: SettingsShape }): boolean =>
  Object.keys(detailSettings).every((key) => Object.hasOwn(settings, key));

/** The settings of a method with the pass behind it. */
export type WithPass<S extends MethodSettings> = S & PassSettings;

/** The result of a method that the pass begins with. */
type Result = Pick<Iteration, 'image' | 'latent'>;

/** Names of the parts of a run's state. */
const RESULT = 'result of the method';
const PASS = 'detail pass';

/** What the pass remembers from one region to the next. */
interface PassState extends Located {
  /** The image with all regions that are repainted so far. */
  readonly image: Image;
  /** The noise that the image before the pass comes from. */
  readonly latent: Float64Array;
  readonly texts: readonly RegionText[];
  /** Index of the iteration of the first region. */
  readonly first: number;
}

interface Located {
  readonly saliency?: SaliencyMap;
  readonly regions: readonly Region[];
}

interface RegionText {
  /** The mask that is repainted, counted from 0. */
  readonly mask: number;
  readonly prompt: string;
  readonly negativePrompt: string;
}

/**
 * A method with the detail pass behind its last iteration.
 *
 * @param sizeOf size of the image that the method makes. Default: that of the settings
 */
export function withDetailPass<Name extends string, S extends MethodSettings>(
  definition: MethodDefinition<Name, S>,
  sizeOf: (settings: WithPass<S>) => ImageSize = (settings) => settings,
): MethodDefinition<Name, WithPass<S>> {
  return {
    ...definition,
    noiseMakesImage: false,
    picturesOnly: true,
    settings: { ...definition.settings, ...passSettings },
    inputs: { ...definition.inputs, mask: INPUTS.mask },
    defaults: (model) => definition.defaults(model) as Partial<WithPass<S>>,
    everyPreset: (defaults, model) =>
      (definition.everyPreset?.(defaults, model) ?? {}) as Partial<WithPass<S>>,
    roles(settings) {
      const { guides, selects } = definition.roles(settings);
      return { guides: [...new Set([...guides, ...scoresOf(settings)])], selects };
    },
    check(settings, model) {
      definition.check?.(settings, model);
      checkPass(settings, model, sizeOf(settings));
    },
    async *run(pipeline, run) {
      const begun = run.resumed(PASS) as PassState | undefined;
      yield* repaintRegions(pipeline, run, begun ?? (yield* runMethod(definition, pipeline, run)));
    },
  };
}

/** The scores that say which regions are repainted, and under which texts: they cannot judge the result. */
function scoresOf({ boxes, saliency, regionText }: PassSettings): readonly string[] {
  return [...(boxes === '' ? scoresBehind(saliency) : []), ...(regionText === 'parts' ? [MODEL_CLIP] : [])];
}

/** Runs a method to its end, and finds the regions of its result. */
async function* runMethod<S extends MethodSettings>(
  definition: MethodDefinition<string, S>,
  pipeline: Pipeline,
  run: Run<WithPass<S>>,
): AsyncGenerator<Iteration, PassState> {
  let result: Result | undefined;
  let last = 0;
  const held = heldState<Result | undefined>(
    () => result,
    (state) => {
      if (state) result = state;
      else {
        throw new UserError(
          `${run.method}: cannot go on from the state of a run without the detail pass; begin anew`,
        );
      }
    },
  );
  const before: Run<S> = {
    ...run,
    iterations: (parts, range) => run.iterations({ ...parts, [RESULT]: held }, range),
  };
  for await (const iteration of definition.run(pipeline, before)) {
    const { image, latent, best } = iteration;
    last = iteration.iteration;
    if (best) result = { image, latent };
    yield iteration;
  }
  if (result === undefined) throw new Error(`${run.method}: the method yielded no image`);
  return beginPass(pipeline, run, result, last + 1);
}

/**
 * @param image size of the image whose regions are repainted
 * @throws UserError where a setting of the pass does not fit the model, or a given box does not fit the image
 */
function checkPass(settings: WithPass<MethodSettings>, model: ModelInfo, image: ImageSize): void {
  const { sizeMultiple: unit, name } = model;
  for (const side of ['detailWidth', 'detailHeight'] as const) {
    if (settings[side] % unit === 0) continue;
    const below = unit * Math.max(1, Math.floor(settings[side] / unit));
    throw new UserError(
      `request: ${side} must be a multiple of ${unit} for ${name}, got ${settings[side]}; use ${below} or ${below + unit}`,
    );
  }
  const { minRegionArea, maxRegionArea } = settings;
  if (minRegionArea > maxRegionArea) {
    throw new UserError(
      `request: minRegionArea must not be above maxRegionArea, got ${minRegionArea} and ${maxRegionArea}`,
    );
  }
  const boxes = givenRegions(parseBoxes(settings.boxes) ?? [], image);
  const size = repaintSettings(settings);
  for (const mask of repaintMasks(boxes, settings, image)) {
    refuseTooSmall(mask, cropOf(mask, settings, image, size), size, model);
  }
  for (const text of writtenTexts(settings.regionPrompt)) {
    const tag = parsePrompt(text, settings.promptSyntax, 1).networks.find(isLoraTag);
    if (tag === undefined) continue;
    throw new UserError(
      `request: regionPrompt has the tag ${tag.text}, but a LoRA changes the model for the whole run; write it in the prompt`,
    );
  }
}

/** How a region is sampled: the settings of the pass, where they say something, over those of the run. */
function repaintSettings(settings: WithPass<MethodSettings>): SamplingSettings {
  const { detailWidth, detailHeight, detailSteps, detailGuidance, detailSampler, detailClipSkip } = settings;
  const sampler = detailSampler === 'same' ? settings.sampler : detailSampler;
  return {
    ...settings,
    ...unreadBy(sampler),
    sampler,
    width: detailWidth || settings.width,
    height: detailHeight || settings.height,
    steps: detailSteps || settings.steps,
    guidanceScale: detailGuidance || settings.guidanceScale,
    clipSkip: detailClipSkip || settings.clipSkip,
  };
}

/** What the sampler of the run may have read, as if it were not given. */
function unreadBy(sampler: SamplerName): Partial<SamplingSettings> {
  const unread = Object.entries(SAMPLER_OPTIONS).flatMap(([key, option]) => {
    const readBy: readonly SamplerName[] = option.readBy;
    return 'neutral' in option && !readBy.includes(sampler) ? [[key, option.neutral]] : [];
  });
  return Object.fromEntries(unread) as Partial<SamplingSettings>;
}

/** Finds the regions and their texts. */
async function beginPass(
  pipeline: Pipeline,
  run: Run<WithPass<MethodSettings>>,
  { image, latent }: Result,
  first: number,
): Promise<PassState> {
  const located = await locate(pipeline, run, image);
  const texts = await textsOf(pipeline, run, image, located.regions);
  if (located.regions.length === 0) {
    run.note('no region was found, so none is repainted; give boxes, or another saliency model');
  } else if (texts.length === 0) {
    run.note('every region is skipped, so none is repainted');
  }
  return { image, latent, ...located, texts, first };
}

async function locate(
  pipeline: Pipeline,
  { settings, request: { mask }, target, random, assumesMost }: Run<WithPass<MethodSettings>>,
  image: Image,
): Promise<Located> {
  const boxes = parseBoxes(settings.boxes) ?? [];
  const ordered = (regions: readonly Region[]) => orderRegions(regions, settings.regionOrder, image);
  if (boxes.length > 0) return { regions: ordered(givenRegions(boxes, image)) };
  const { saliency: name, centreBias, maxRegions } = settings;
  const detector = await pipeline.detector(name, { prompt: target.text, mask, random, centreBias });
  const saliency = await detector.map(image);
  const found = assumesMost()
    ? Array.from({ length: maxRegions }, () => leftHalf(image))
    : filterRegions(findRegions(saliency, { ...settings, squared: false }), settings, image);
  return { saliency, regions: ordered(found) };
}

/** A region that all costs are counted with: wherever one is, it is enlarged to the same size. */
const leftHalf = ({ width, height }: ImageSize): Region => ({
  ...{ left: 0, top: 0, width: Math.ceil(width / 2), height },
  mass: 1,
});

/** What is repainted, and under which texts. */
async function textsOf(
  pipeline: Pipeline,
  run: Run<WithPass<MethodSettings>>,
  image: Image,
  regions: readonly Region[],
): Promise<RegionText[]> {
  const { settings, request } = run;
  const { prompt, negativePrompt } = request;
  const masks = repaintMasks(regions, settings, image);
  const own = settings.regionMerge === 'none' ? await ownTexts(pipeline, run, image, regions) : [prompt];
  const prompts = regionTexts(
    settings.regionPrompt,
    prompt,
    masks.map((_, i) => own[i]),
  );
  const negatives = regionTexts(
    settings.regionNegativePrompt,
    negativePrompt,
    masks.map(() => negativePrompt),
  );
  return masks.flatMap((_, mask) => {
    const [text, negative] = [prompts[mask], negatives[mask]];
    return text === undefined ? [] : [{ mask, prompt: text, negativePrompt: negative ?? negativePrompt }];
  });
}

/** The prompt, or the part of it that fits each region best. */
async function ownTexts(
  pipeline: Pipeline,
  { settings, request, target }: Run<WithPass<MethodSettings>>,
  image: Image,
  regions: readonly Region[],
): Promise<string[]> {
  const parts = settings.regionText === 'parts' ? promptParts(target.text) : [];
  if (parts.length === 0) return regions.map(() => request.prompt);
  if (parts.length === 1) return regions.map(() => parts[0]);
  const critic = await pipeline.critic();
  const sizes = { width: image.width, height: image.height, side: critic.side };
  const texts: Float32Array[] = [];
  for (const part of parts) texts.push(await critic.embedText(part));
  const seen: Float32Array[] = [];
  for (const region of regions) seen.push(await critic.embedImage(image, boxCrop(region, sizes)));
  const similarity = (region: number, part: number) => dot(seen[region], texts[part]);
  return assignParts(regions.length, parts.length, similarity).map((part) => parts[part]);
}

/** Repaints one region after the other. */
async function* repaintRegions(
  pipeline: Pipeline,
  run: Run<WithPass<MethodSettings>>,
  begun: PassState,
): AsyncGenerator<Iteration> {
  const { settings, method } = run;
  const { latent, saliency, regions, texts, first } = begun;
  const masks = repaintMasks(regions, settings, begun.image);
  const size = repaintSettings(settings);
  const crops = masks.map((mask) => cropOf(mask, settings, begun.image, size));
  for (const { mask } of texts) refuseTooSmall(masks[mask], crops[mask], size, pipeline.model);
  let image = begun.image;
  const held = heldState<PassState>(
    () => ({ ...begun, image }),
    (state) => {
      image = state.image;
    },
  );
  const range = { first, last: first + texts.length - 1 };
  for await (const iteration of run.iterations({ [PASS]: held }, range)) {
    const { mask: k, ...text } = texts[iteration - first];
    const mask = masks[k];
    const enlarged = enlargeCrop(image, mask, crops[k], size);
    const seed = laterSeed(run.seed, k);
    // At least one step, whatever the product is rounded to.
    const strength = Math.max(settings.detailStrength, (1 + 1e-9) / size.steps);
    const repainted = await withinIteration(method, iteration, () =>
      repaint(pipeline, { ...run, settings: size, seed }, enlarged, text, strength, iteration),
    );
    image = putBack(image, repainted, crops[k], mask, settings.detailFeather);
    const { clip, failure } = await judge(pipeline, run, [image]);
    yield run.report({ iteration, latent, image, clip, saliency, regions, best: true });
    if (failure) throw stoppedIn(method, iteration, failure);
  }
}

function cropOf(
  { box }: RepaintMask,
  { onlyMasked, detailPadding }: PassSettings,
  image: ImageSize,
  size: SamplingSettings,
): CropBox {
  if (!onlyMasked) return { left: 0, top: 0, width: image.width, height: image.height };
  return cropAround(box, detailPadding, image, size);
}

/** @throws UserError where a region is smaller than what the latent can show */
function refuseTooSmall(
  { box }: RepaintMask,
  crop: CropBox,
  size: SamplingSettings,
  { scaleFactor }: ModelInfo,
): void {
  const side = Math.min(box.width, box.height) * enlargement(crop, size);
  if (side >= scaleFactor) return;
  throw new UserError(
    `detail: the region ${boxText(box)} is ${side.toFixed(1)} pixels wide or high where it is repainted, less than one element of the latent, which is ${scaleFactor}; give a larger region, less detailPadding, or a larger size`,
  );
}

/** The image of the model's size with its open part sampled again. */
async function repaint(
  pipeline: Pipeline,
  run: Run<SamplingSettings>,
  prepared: MaskedImage,
  texts: Omit<RegionText, 'mask'>,
  strength: number,
  iteration: number,
): Promise<Image> {
  const { settings, seed, signal } = run;
  const { paintsMask } = pipeline.model;
  const length = product(pipeline.latentShape(settings));
  const own: Run<SamplingSettings> = {
    ...run,
    request: { ...run.request, ...texts },
    freshNoise: drawFreshNoise(pipeline, settings, length, randomSource(settings.rng, seed)),
    ...(paintsMask && { maskedImage: prepared }),
  };
  const denoiser = await denoiserOf(pipeline, own);
  const begin = paintsMask ? startPainting : startFromNoised;
  const { sampler, noise, startIndex } = await begin(pipeline, own, denoiser, prepared, { strength });
  const [final] = await sample(sampler, denoiser, noise, {
    signal,
    startIndex,
    onStep: run.stepReporter('denoise', iteration),
  });
  return pipeline.decode(final, settings);
}
