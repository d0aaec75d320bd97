/** @file Loading a model: headers and configurations now, programs when they are first needed. */
import { freeMemory } from '@sgool/autodiff';
import { UserError } from '../errors.ts';
import type { Image } from '../image/image.ts';
import type { Backbone, ClipOptions, ModelFamily } from '../models/backbone.ts';
import { componentOf } from '../models/components.ts';
import { familyOf } from '../models/families.ts';
import { type ModelInfo, modelInfo } from '../models/model-info.ts';
import { layoutFor } from '../networks/network-weights.ts';
import { attentionDetector } from '../objectives/attention/attention-detector.ts';
import { attentionObjective } from '../objectives/attention/attention-objective.ts';
import { createFrameFeatures } from '../objectives/frame-features.ts';
import { clipFrames, saliencyFrames } from '../objectives/frame-networks.ts';
import { createObjective } from '../objectives/objective.ts';
import { type ClipCritic, openClipCritic } from '../preference/clip-critic.ts';
import { type ClipTarget, clipScore } from '../preference/clip-target.ts';
import type { ObjectiveScorer } from '../preference/guide.ts';
import { openObjectiveScorer } from '../preference/open-objective-scorer.ts';
import type { ObjectiveItem } from '../request/objective-text.ts';
import type { ClipPart } from '../request/wanted-scorer.ts';
import { type ComputeOptions, chooseCompute } from '../runtime/compute.ts';
import { type Memory, ProgramCache, type ProgramOptions } from '../runtime/program-cache.ts';
import { openDetector, openTranSalNetParts } from '../saliency/open-detector.ts';
import { weightBytes } from '../weights/formats/weight-source.ts';
import type { Environment } from '../weights/hub/environment.ts';
import { findAdded } from '../weights/open/added.ts';
import { resolveModel } from '../weights/open/locate-model.ts';
import { type ModelFolder, openComponent } from '../weights/open/model-folder.ts';
import { MOTION_ADAPTER } from '../weights/open/motion-adapter.ts';
import { type OpenModelOptions, openModel } from '../weights/open/open-model.ts';
import type { Pipeline } from './pipeline.ts';

/** How a model is opened and what it runs on. */
export interface LoadOptions extends Omit<OpenModelOptions, 'required'>, ComputeOptions, ClipOptions {
  /** Threads of the networks; by default as many as ONNX Runtime takes. */
  readonly threads?: number;
  /** Variables that say where the Hub's cache and the user's own weights are; `process.env` unless given. */
  readonly env?: Environment;
  /**
   * `auto` keeps as many compiled programs as hold 5 GB together, `plenty` all of them: faster by seconds in each iteration
   * where images are large; on the processor the 3x3 convolutions of sampling take more memory for fewer multiplications. `low` keeps one large program at a time, and recomputes the activations of each block in the
   * backward pass instead of keeping them, for about a third more time. Default `auto`.
   */
  readonly memory?: Memory;
  /**
   * Whether an objective may name programs (`exec:`) and servers (`http:`), which get every picture and prompt. Default false: a
   * request may come from a stranger's file.
   */
  readonly allowVerifiers?: boolean;
  /** Makes the cache that compiles and keeps the programs; for dry runs (see `estimateRun`). */
  readonly programs?: (options: ProgramOptions) => ProgramCache;
}

/**
 * Loads a model: a name, a folder in the diffusers layout, or a model of the Hub that was pulled; with `clip/` (a CLIPModel;
 * guides), and perhaps `clip_b/` and `clip_c/` (others; one reports, one selects) and `transalnet/` (else the one that the user has added). A single
 * .ckpt or .safetensors file of Stable Diffusion 1.x or 2.x will do as well: its tokenizer and CLIP come from the options of
 * these names, or the tokenizer from a folder beside it. Headers and configurations are checked now; programs are compiled on
 * first use.
 *
 * @throws UserError where the model is not found, its folder is broken or of an unknown family, or the device does not work here
 */
export async function loadPipeline(
  model?: string,
  {
    device,
    precision,
    deviceOptions,
    threads,
    env,
    memory = 'auto',
    motionNorm,
    contextFrames,
    contextStride,
    programs: makePrograms,
    allowVerifiers,
    ...options
  }: LoadOptions = {},
): Promise<Pipeline> {
  const compute = await chooseCompute({ device, precision, deviceOptions });
  const { name, dir } = resolveModel(model, env);
  const family = await familyOf(dir);
  const opened = await openModel(dir, { ...options, env, required: family.required });
  const folder = await withAddedWeights(opened, env);

  const programOptions: ProgramOptions = {
    ...compute,
    deviceOptions,
    threads,
    memory,
    freeMemory: memory === 'auto' ? await freeMemory(compute.device) : undefined,
    layout: layoutOf(family, folder),
  };
  const programs = makePrograms?.(programOptions) ?? new ProgramCache(programOptions);
  const backbone = await family.open({
    folder,
    programs,
    checkpointBlocks: memory === 'low',
    clipOptions: { motionNorm, contextFrames, contextStride },
  });
  refuseUnread(name, backbone.info, { motionNorm, contextFrames, contextStride });
  const info = await modelInfo(name, folder, backbone.info);
  const { noisePath, checkPrompt, latentShape, denoiser, encode, decode, trainable } = backbone;
  const adapter = folder.components.get(MOTION_ADAPTER);
  const noAttention = () =>
    new UserError(`model ${name}: its network has no cross-attention, which this needs`);
  const crossAttention: Pipeline['crossAttention'] = async (options) => {
    if (backbone.crossAttention) return backbone.crossAttention(options);
    throw noAttention();
  };
  return {
    model: {
      ...info,
      weightsPath: componentOf(folder, family.denoiser).weights.path,
      ...(adapter && { motionPath: adapter.weights.path }),
    },
    compute,
    meter: programs,
    noisePath,
    checkPrompt,
    latentShape,
    denoiser,
    crossAttention,
    async pairedDenoiser(options) {
      if (backbone.pairedDenoiser) return backbone.pairedDenoiser(options);
      throw noAttention();
    },
    attentionObjective: async (options, wanted) => attentionObjective(await crossAttention(options), wanted),
    encode,
    decode,
    ...(trainable && { trainable }),
    ...(await openCritics(info, folder, programs, { ...backbone, crossAttention }, { env, allowVerifiers })),
    dispose: () => programs.dispose(),
  };
}

/** @throws UserError where clips are asked for in a way that a model for pictures does not read */
function refuseUnread(name: string, { motion }: Pick<ModelInfo, 'motion'>, options: ClipOptions): void {
  const given = Object.entries(options).find(([, value]) => value !== undefined);
  if (motion || given === undefined) return;
  throw new UserError(
    `model ${name}: it makes no clips, so ${given[0]} changes nothing, got ${given[1]}; leave it out, or give a motion adapter (option motion, --motion)`,
  );
}

/** The part of a pipeline that judges images: critics, their objective and saliency. */
async function openCritics(
  { name }: ModelInfo,
  folder: ModelFolder,
  programs: ProgramCache,
  backbone: Backbone & Pick<Pipeline, 'crossAttention'>,
  { env, allowVerifiers }: Pick<LoadOptions, 'env' | 'allowVerifiers'>,
): Promise<
  Pick<Pipeline, 'critic' | 'reporter' | 'scorers' | 'objective' | 'frameFeatures' | 'score' | 'detector'>
> {
  const guide = await openClipCritic(folder, 'clip', programs, backbone.clipTokenizer);
  const reporter = await openClipCritic(folder, 'clip_b', programs, backbone.clipTokenizer);
  const selector = await openClipCritic(folder, 'clip_c', programs, backbone.clipTokenizer);
  const critic = async (part: ClipPart = 'clip') => {
    const found = part === 'clip' ? guide : selector;
    if (found) return found;
    if (part !== 'clip') {
      throw new UserError(
        `model ${name}: it has no ${part}, a CLIP that selects; put a transformers CLIPModel into its folder ${part}, or give one with clip=<folder>`,
      );
    }
    throw new UserError(
      `model ${name}: it has no CLIP, which this needs; give one with the option clip (a folder, a file, or a pulled model such as openai/clip-vit-base-patch32), put a transformers CLIPModel into its folder clip, or use method sd`,
    );
  };
  const { clipTokenizer } = backbone;
  const opened = new Map<string, Promise<ObjectiveScorer>>();
  const scorer = (item: ObjectiveItem) => {
    const key = JSON.stringify(item.scorer);
    const found =
      opened.get(key) ?? openObjectiveScorer(item, { programs, critic, clipTokenizer, env, allowVerifiers });
    opened.set(key, found);
    return found;
  };
  return {
    critic: () => critic(),
    reporter: async () => reporter,
    scorers: (items) => Promise.all(items.map(scorer)),
    objective: async ({ width, height, ...options }) =>
      createObjective({ ...options, programs, backbone, size: { width, height } }),
    async frameFeatures(network, { width, height }) {
      const size = { width, height };
      const seen =
        network === 'clip'
          ? clipFrames(await critic(), size)
          : saliencyFrames(openTranSalNetParts(folder), size);
      return createFrameFeatures({ programs, backbone, size, network: seen });
    },
    score: async (image, target) => ({
      A: await scored(guide, image, target),
      B: await scored(reporter, image, target),
    }),
    detector: (detector, options) =>
      openDetector(detector, {
        ...options,
        folder,
        programs,
        critic: () => critic(),
        attention: (prompt) => attentionDetector(backbone, prompt),
      }),
  };
}

async function scored(critic: ClipCritic | undefined, image: Image, target: string | ClipTarget) {
  if (!critic) return undefined;
  return typeof target === 'string' ? critic.score(image, target) : clipScore(critic, image, target);
}

/** How programs are compiled for a model of this size. */
function layoutOf({ denoiser }: ModelFamily, folder: ModelFolder) {
  return layoutFor(weightBytes(componentOf(folder, denoiser).weights.tensors));
}

/** The model with the TranSalNet that the user has added, where it brings none of its own. */
async function withAddedWeights(folder: ModelFolder, env?: Environment): Promise<ModelFolder> {
  const dir = folder.components.has('transalnet') ? undefined : findAdded('transalnet', env);
  if (dir === undefined) return folder;
  return { ...folder, components: new Map(folder.components).set('transalnet', await openComponent(dir)) };
}
