/**
 * @file Separate-and-Enhance: fine-tunes the cross-attention of a model, so that the objects of a prompt stop covering each other and
 * each gets its share of attention. An async generator that yields a plain object per step; the caller owns progress, saving and
 * stopping.
 *
 * No pictures are needed: clean latents are noise of the size of latents, as in the published code. Departures from that code, all of
 * them repairs: every sample of a batch counts, tokens are those of the words wherever they stand, words may have several tokens,
 * each sample has its own loss.
 *
 * Reference: Bao et al. 2024, "Separate-and-Enhance: Compositional Finetuning for Text2Image Diffusion Models".
 */
import { z } from 'zod';
import { required, UserError } from '../errors.ts';
import type { Image } from '../image/image.ts';
import type { TrainableNetwork } from '../models/trainable-network.ts';
import { promptThings } from '../objectives/prompt-things.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { Generator, type GeneratorState } from '../random/generator.ts';
import { type AdapterInfo, type WeightChange, weightsFingerprint } from '../weights/open/adapter.ts';
import { type Concept, conceptOf } from './concepts.ts';
import { mapSides } from './programs.ts';
import { conceptPairs, onePrompt, type TrainingPrompt, type TrainingPrompts, wordShares } from './prompts.ts';
import { drawSamples, NO_TEXT } from './samples.ts';
import {
  checkFineTuneSettings,
  defaultMicroBatch,
  type FineTuneSettings,
  fineTuneSettings,
  RECIPES,
  type RecipeName,
  refuseUnreadSettings,
} from './settings.ts';
import { type FineTuneLosses, Trainer, type TrainerState } from './trainer.ts';

/** What is trained on: one prompt and its objects, or a list of concepts, and settings over those of the recipe. */
export interface FineTuneRequest extends Partial<FineTuneSettings> {
  /** The one prompt of the recipe `individual`. */
  readonly prompt?: string;
  /** Words of its objects, two or more, as they stand in it. Default: its nouns. */
  readonly words?: readonly string[];
  /** The list of the recipe `large-scale`: two concepts or more; a text stands for one that is its own word. */
  readonly concepts?: readonly (string | Concept)[];
}

/** A request that was checked, with all settings. */
export interface FineTuneTask {
  readonly recipe: RecipeName;
  readonly prompt?: string;
  readonly words?: readonly string[];
  readonly concepts?: readonly Concept[];
  readonly settings: FineTuneSettings;
}

/** Where a picture attends to a word. */
export interface WordMap {
  readonly word: string;
  /** Positions of the map. */
  readonly width: number;
  readonly height: number;
  /** [height, width], shares of attention: from 0 to 1. */
  readonly data: Float32Array;
}

/** The result of a step. */
export interface FineTuneStep {
  /** From 1. */
  readonly step: number;
  readonly steps: number;
  readonly losses: FineTuneLosses;
  /** Norm of the gradient of Separate and Enhance, before it is clipped. */
  readonly gradientNorm: number;
  /** Evaluations of the network so far; a pullback counts the evaluation that it contains. */
  readonly evaluations: { readonly forward: number; readonly pullback: number };
  /** Wall time of this step and since the start. */
  readonly seconds: { readonly step: number; readonly total: number };
}

/** Where a fine-tuning stands between two steps: all that the rest of it depends on beside the model and the request. */
export interface FineTuneState {
  readonly step: number;
  readonly trainer: TrainerState;
  readonly generator: GeneratorState;
  readonly evaluations: { readonly forward: number; readonly pullback: number };
  readonly seconds: number;
}

export interface FineTuneOptions {
  /** Checked before each call of the network; a fine-tuning that is aborted throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Goes on from here, with the same model and request, and ends with the same weights. */
  readonly state?: FineTuneState;
}

/** A fine-tuning that has begun. */
export interface FineTuning {
  readonly task: FineTuneTask;
  /** Number of weights that are trained. */
  readonly parameters: number;
  /** Each step as it is done. Once. */
  steps(): AsyncGenerator<FineTuneStep>;
  /** Where it stands: after the last step that was done. */
  state(): FineTuneState;
  /** How much each trained weight has changed so far, by the names of the network. */
  changes(): Map<string, WeightChange>;
  /** The weights that are trained, as they were before. */
  base(): Promise<AdapterInfo['base']>;
  /**
   * Where a picture attends to the words of a prompt under the weights as they are now: its latent with noise up to the middle of the
   * timesteps goes through the network.
   *
   * @returns one map for each word, of the side `mapSide`, the mean over layers and heads
   */
  attention(image: Image, prompt: Pick<TrainingPrompt, 'text' | 'words'>): Promise<WordMap[]>;
}

const written = z.string().min(1, 'must not be empty');
const FEW = 'two or more are needed, whose attention is told apart';

const requestSchema = z.strictObject({
  ...z.object(fineTuneSettings).partial().shape,
  prompt: z.string().min(1).max(10_000).optional(),
  words: z.array(written).min(2, FEW).max(16, 'at most 16 can be trained together').optional(),
  concepts: z
    .array(z.union([written, z.strictObject({ phrase: written, word: written })]))
    .min(2, FEW)
    .max(100_000)
    .optional(),
});

/** The largest side of maps that is a default: that of the paper. */
const PAPER_SIDE = 16;

/** @throws UserError where the model has no such network */
function networkOf({ model, trainable }: Pick<Pipeline, 'model' | 'trainable'>): TrainableNetwork {
  if (trainable) return trainable;
  throw new UserError(
    `finetune: the network of ${model.name} reads more than a latent, a time and a text (a mask, or the scale of guidance), which is not supported; give a plain model`,
  );
}

/**
 * Checks a request, and gives every setting its value.
 *
 * @throws UserError in one line: what is wrong, its value, what would be right
 */
export function fineTuneTask(
  { model }: Pick<Pipeline, 'model'>,
  request: FineTuneRequest,
  sides: readonly number[],
): FineTuneTask {
  const parsed = requestSchema.safeParse(request);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = issue.path.join('.');
    throw new UserError(`finetune: ${path === '' ? '' : `${path}: `}not usable: ${issue.message}`);
  }
  const { prompt, words: givenWords, concepts, ...given } = parsed.data;
  if ((prompt === undefined) === (concepts === undefined)) {
    throw new UserError(
      `finetune: ${prompt === undefined ? 'needs a prompt or a list of concepts' : 'takes a prompt or a list of concepts, got both'}`,
    );
  }
  if (concepts !== undefined && givenWords !== undefined) {
    throw new UserError('finetune: words belong to a prompt; a list of concepts has its own');
  }
  const words = prompt === undefined ? undefined : (givenWords ?? nounsOf(prompt));
  const recipe: RecipeName = prompt === undefined ? 'large-scale' : 'individual';
  const { width = model.width, height = model.height } = given;
  const { sizeMultiple, scaleFactor } = model;
  if (width % sizeMultiple !== 0 || height % sizeMultiple !== 0) {
    throw new UserError(`finetune: sides must be multiples of ${sizeMultiple}, got ${width}x${height}`);
  }
  const mapSide = given.mapSide ?? sides.find((side) => side <= PAPER_SIDE) ?? sides[sides.length - 1];
  if (!sides.includes(mapSide)) {
    throw new UserError(
      `finetune: mapSide: the network has maps with sides of ${sides.join(', ')}, got ${mapSide}`,
    );
  }
  const own = { ...RECIPES[recipe], ...given };
  refuseUnreadSettings(given, own, concepts !== undefined);
  const positions = (width / scaleFactor) * (height / scaleFactor);
  const microBatch = given.microBatch ?? defaultMicroBatch(own.batch, positions);
  const settings: FineTuneSettings = { ...own, width, height, mapSide, microBatch };
  checkFineTuneSettings(settings);
  return {
    recipe,
    ...(prompt === undefined ? {} : { prompt, words }),
    ...(concepts && { concepts: concepts.map((one) => (typeof one === 'string' ? conceptOf(one) : one)) }),
    settings,
  };
}

/** @throws UserError where there are not two of them */
function nounsOf(prompt: string): string[] {
  const nouns = promptThings(prompt).map(({ noun }) => noun.word);
  if (nouns.length >= 2) return nouns;
  const found = nouns.length === 0 ? 'none' : `only ${nouns[0]}`;
  throw new UserError(
    `finetune: the prompt needs two objects that can overlap, got "${prompt}", in which ${found} was found; name them with words, as they stand in it`,
  );
}

/**
 * Begins a fine-tuning of a model by Separate-and-Enhance. Everything is checked here; nothing is trained before `steps` is asked.
 *
 * @throws UserError where the model, the request or a word in a prompt does not fit
 */
export async function separateEnhance(
  pipeline: Pipeline,
  request: FineTuneRequest,
  { signal, state: from }: FineTuneOptions = {},
): Promise<FineTuning> {
  const network = networkOf(pipeline);
  const { width = pipeline.model.width, height = pipeline.model.height } = request;
  const [, ...latent] = pipeline.latentShape({ width, height });
  const { tokens, width: textWidth } = await network.encode('');
  const shape = { latent, tokens, width: textWidth };
  const sides = mapSides(network, latent[1], latent[2]);
  const task = fineTuneTask(pipeline, request, sides);
  const { settings } = task;
  const prompts = promptsOf(task);
  for (const prompt of prompts.samples) wordShares(network, prompt, tokens);

  const { objects } = prompts;
  const trainer = new Trainer(network, settings, { ...shape, objects, mapSide: settings.mapSide });
  const generator = new Generator(settings.seed);
  if (from) {
    trainer.restore(from.trainer);
    generator.restore(from.generator);
    Object.assign(trainer.evaluations, from.evaluations);
  }
  const begun = performance.now() - 1000 * (from?.seconds ?? 0);
  const total = () => (performance.now() - begun) / 1000;
  let done = from?.step ?? 0;
  // Of the last step that was done: a step that is stopped half-way has drawn from the stream.
  let position = generator.state();
  let secondsDone = from?.seconds ?? 0;
  let evaluations = { ...trainer.evaluations };

  async function* steps(): AsyncGenerator<FineTuneStep> {
    while (done < settings.steps) {
      signal?.throwIfAborted();
      const started = total();
      const samples = await drawSamples(network, pipeline, prompts, settings, generator, latent);
      const { losses, gradientNorm } = await trainer.step(samples, signal);
      done++;
      position = generator.state();
      secondsDone = total();
      evaluations = { ...trainer.evaluations };
      const seconds = { step: secondsDone - started, total: secondsDone };
      yield { step: done, steps: settings.steps, losses, gradientNorm, evaluations, seconds };
    }
  }

  return {
    task,
    parameters: trainer.layout.total,
    steps,
    state: () => ({
      step: done,
      trainer: trainer.state(),
      generator: position,
      evaluations,
      seconds: secondsDone,
    }),
    changes: () => trainer.changes(),
    base: async () => {
      const tensors = network.projections(settings.trains);
      const fingerprint = await weightsFingerprint(tensors);
      return { model: pipeline.model.name, weights: [...tensors.keys()], fingerprint };
    },
    attention: (image, prompt) =>
      attentionOf(image, prompt, { network, pipeline, trainer, settings, latent }),
  };
}

/** See {@link FineTuning.attention}. */
async function attentionOf(
  image: Image,
  prompt: Pick<TrainingPrompt, 'text' | 'words'>,
  {
    network,
    pipeline,
    trainer,
    settings: { width, height, mapSide },
    latent,
  }: {
    readonly network: TrainableNetwork;
    readonly pipeline: Pipeline;
    readonly trainer: Trainer;
    readonly settings: FineTuneSettings;
    readonly latent: readonly number[];
  },
): Promise<WordMap[]> {
  const path = pipeline.noisePath({ width, height });
  const timestep = Math.floor(network.trainTimesteps / 2);
  const level = path.level(timestep);
  const clean = await pipeline.encode(image);
  // Always the same noise, so that maps of different steps differ by the weights alone.
  const noise = new Generator(0).randn(latent);
  const text = await network.encode(prompt.text);
  const maps = await trainer.maps({
    latent: Float32Array.from(clean, (value, i) => path.signal(level) * value + path.noise(level) * noise[i]),
    timestep,
    text,
    words: wordShares(network, prompt, text.tokens),
    single: NO_TEXT,
  });
  const layer = network
    .attentionLayers(latent[1], latent[2])
    .find(({ rows, columns }) => Math.min(rows, columns) === mapSide);
  const { rows, columns } = required(layer, 'layer of maps');
  return prompt.words.map((word, i) => ({
    word,
    width: columns,
    height: rows,
    data: maps.slice(i * rows * columns, (i + 1) * rows * columns),
  }));
}

function promptsOf({ prompt, words = [], concepts = [], settings }: FineTuneTask): TrainingPrompts {
  return prompt === undefined ? conceptPairs(concepts, settings) : onePrompt(prompt, words, settings);
}
