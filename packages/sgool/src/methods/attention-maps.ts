/** @file Which positions of an image read which words while it is made: attention maps of plain generation, by layer, step and word. */
import { mean, reshape } from '@sgool/autodiff';
import { steeredSampler } from '../diffusion/steered-sampler.ts';
import { sample } from '../diffusion/trajectory.ts';
import { UserError } from '../errors.ts';
import type { Image } from '../image/image.ts';
import type { CrossAttentionLayer } from '../models/cross-attention.ts';
import { tokensOf } from '../objectives/attention/requirement.ts';
import { tokenShares, wordMaps } from '../objectives/attention/word-maps.ts';
import { type PromptWord, promptThings } from '../objectives/prompt-things.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Seed } from '../random/seed.ts';
import { parseMethodRequest } from '../request/request.ts';
import type { SamplingSettings } from '../request/settings/sampling.ts';
import { parsePrompt } from '../text/prompt/prompt.ts';
import { ATTENTION_MAPS, type AttentionMapsRequest } from './attention-maps-request.ts';
import { METHODS, methods } from './index.ts';
import { settingsOf } from './run/create-method.ts';
import type { RunOptions } from './run/iteration.ts';
import { beginRun, denoiserOf, denoiserOptionsOf, samplerOf, withinIteration } from './run/run.ts';

/** A word of the prompt and where its tokens are. */
export interface MappedWord {
  readonly word: string;
  /** Indices in the conditioning; the start token has index 0. */
  readonly tokens: readonly number[];
}

/** The maps of one layer at one step. */
export interface AttentionMaps {
  readonly layer: CrossAttentionLayer;
  /** The first step is 1. */
  readonly step: number;
  readonly timestep: number;
  /** One for each word, [rows, columns]: how much of its attention each position gives to the word, 0 to 1, the mean over heads. */
  readonly words: readonly Float32Array[];
}

/** An image and the maps of its making. */
export interface MappedImage {
  readonly image: Image;
  readonly seed: Seed;
  /** What the image was sampled with. */
  readonly settings: SamplingSettings;
  readonly words: readonly MappedWord[];
  readonly layers: readonly CrossAttentionLayer[];
  /** Numbers of the steps; the first step is 1. */
  readonly steps: readonly number[];
  /** By step, then by layer in the order of execution. */
  readonly maps: readonly AttentionMaps[];
}

/**
 * Makes a plain image and maps the attention of its steps. A word of several tokens has the mean of their maps.
 *
 * @throws UserError where a word is not in the prompt, the prompt has no nouns and none are named, or there is no such layer or step
 */
export async function mapAttention(
  pipeline: Pipeline,
  input: AttentionMapsRequest,
  { signal, onStep }: Pick<RunOptions, 'signal' | 'onStep'> = {},
): Promise<MappedImage> {
  const { layers: wantedLayers = '', atSteps = '', ...given } = input;
  const request = parseMethodRequest(given, ATTENTION_MAPS, METHODS);
  const defaults: typeof methods.sd.defaults = (model, preset) => {
    const plain = methods.sd.defaults(model, preset);
    return (plain.sampler as string) === 'edict' ? { ...plain, sampler: 'ddim' } : plain;
  };
  const resolved = settingsOf<SamplingSettings>(
    { settings: ATTENTION_MAPS.settings, defaults, picturesOnly: true, name: ATTENTION_MAPS.name },
    pipeline,
    request,
  );
  const run = beginRun(pipeline, { method: 'attention', request, settings: resolved, signal, onStep });
  const plain = samplerOf(pipeline, resolved, { freshNoise: run.freshNoise });
  const steps = chosenSteps(atSteps, plain.steps);
  const attention = await pipeline.crossAttention(denoiserOptionsOf(pipeline, run));
  const { text } = parsePrompt(request.prompt, resolved.promptSyntax, resolved.steps);
  const words = wordsToMap(text, request.tokens ?? '').map((word) => ({
    word,
    tokens: tokensOf(word, attention, 'tokens'),
  }));
  const layers = chosenLayers(attention.layers, wantedLayers);
  const program = attention.program({
    key: `maps of ${words.length} words: ${layers.map(({ name }) => name).join(' ')}`,
    layers,
    inputs: { words: { shape: [words.length, attention.tokens] } },
    outputs: (maps, { words }) =>
      Object.fromEntries(
        layers.map(({ name, rows, columns }, i) => {
          const { plain } = wordMaps(mean(maps[i], { axes: [0] }), words);
          return [name, reshape(plain, [plain.shape[0], rows, columns])];
        }),
      ),
  });
  const shares = tokenShares(
    words.map(({ tokens }) => tokens),
    attention.tokens,
  );
  const found: AttentionMaps[] = [];
  const watched = steeredSampler(plain, async (latent, index, timestep) => {
    if (!steps.includes(index + 1)) return latent;
    signal?.throwIfAborted();
    const results = await program(latent, timestep, { words: shares });
    for (const layer of layers) {
      const size = layer.rows * layer.columns;
      const own = words.map((_, w) => results[layer.name].slice(w * size, (w + 1) * size));
      found.push({ layer, step: index + 1, timestep, words: own });
    }
    return latent;
  });
  const denoiser = await denoiserOf(pipeline, run);
  const [final] = await withinIteration('attention', 0, () =>
    sample(watched, denoiser, run.noise, { signal, onStep: run.stepReporter('denoise', 0) }),
  );
  const image = await pipeline.decode(final, resolved);
  return { image, seed: run.seed, settings: resolved, words, layers, steps, maps: found };
}

/** The words that were named, or the nouns of the prompt, each once. */
function wordsToMap(text: string, tokens: string): string[] {
  if (tokens.trim() !== '') return [...new Set(tokens.split(',').map((word) => word.trim().toLowerCase()))];
  const things = promptThings(text);
  if (things.length === 0) {
    throw new UserError(
      `attention: found no noun in the prompt ${JSON.stringify(text.slice(0, 80))}; name its words with the option tokens`,
    );
  }
  // A second cat has a map of its own.
  const isTwice = ({ word, occurrence }: PromptWord) =>
    things.some(({ noun }) => noun.word === word && noun.occurrence !== occurrence);
  const words = things.map(({ noun }) => (isTwice(noun) ? `${noun.word}#${noun.occurrence}` : noun.word));
  return [...new Set(words)];
}

/** The steps that were named, or five that are spread evenly. */
function chosenSteps(text: string, steps: number): number[] {
  if (text.trim() === '') {
    const count = Math.min(5, steps);
    return Array.from({ length: count }, (_, i) =>
      count === 1 ? 1 : 1 + Math.round((i * (steps - 1)) / (count - 1)),
    );
  }
  const chosen = text.split(',').map((one) => one.trim());
  const wrong = chosen.find((one) => !/^\d+$/.test(one) || Number(one) < 1 || Number(one) > steps);
  if (wrong !== undefined) {
    throw new UserError(`atSteps: not usable, got ${JSON.stringify(wrong)}; give numbers from 1 to ${steps}`);
  }
  return [...new Set(chosen.map(Number))].sort((a, b) => a - b);
}

/** The layers that were named: by a part of the network, the size of their maps, or the beginning of their names. */
function chosenLayers(all: readonly CrossAttentionLayer[], text: string): CrossAttentionLayer[] {
  if (text.trim() === '') return [...all];
  const fits = (layer: CrossAttentionLayer, wanted: string) =>
    `${layer.rows}x${layer.columns}` === wanted ||
    layer.name.startsWith(`${wanted}_block`) ||
    layer.name === wanted ||
    layer.name.startsWith(`${wanted}.`);
  const wanted = text.split(',').map((one) => one.trim());
  const unknown = wanted.find((one) => one === '' || !all.some((layer) => fits(layer, one)));
  if (unknown !== undefined) {
    const sizes = new Set(all.map(({ rows, columns }) => `${rows}x${columns}`));
    throw new UserError(
      `layers: there is none for ${JSON.stringify(unknown)}; choose from down, mid, up, ${[...sizes].join(', ')}, ${all.map(({ name }) => name).join(', ')}`,
    );
  }
  return all.filter((layer) => wanted.some((one) => fits(layer, one)));
}
