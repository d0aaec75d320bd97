/**
 * @file The embeddings of the words of moves. They are chosen and not trained: the text encoder makes nearly the same hidden state of any word that
 * it does not know, and the frozen cross-attention does not look at most of them. So of many random embeddings those are taken that it looks at most:
 * loud words, which motion modules can learn to read. Embeddings that are trained with the modules fall silent instead, since at first a new word
 * only disturbs what the UNet paints.
 */

import {
  add,
  compile,
  concat,
  constant,
  mean,
  slice,
  type Tensor,
  trace,
  type Weights,
} from '@sgool/autodiff';
import {
  clipTextConfig,
  crossAttentionLayers,
  type Tokenizer,
  textEncoder,
  unet,
  unetConfig,
} from 'sgool/networks';
import { batchGenerator, fillNormal } from '../train/batch-generator.ts';
import { constantWeights, type NamedWeights } from '../train/export.ts';
import { KEY_WORDS } from '../world/describe-moves.ts';
import { MAX_TOKENS, textEncoderConfig, UNET_CONFIG } from './configs.ts';

/** The text encoder's table of tokens, [tokens, width]. */
export const TABLE = 'text_model.embeddings.token_embedding.weight';

const SEED = 82;
const CANDIDATES = 320;
const AT_ONCE = 16;
/** Standard deviation of the candidates, ten times that of known words: the hidden state of such a word is all its own. */
const LOUD = 0.75;
/** That of other new words, which say nothing of how things move. */
const QUIET = 0.075;
/** A timestep at which things have a place, but no details. */
const TIMESTEP = 700;
const CAPTION = 'a red cat';

export interface Frozen {
  readonly text: NamedWeights;
  readonly unet: NamedWeights;
  /** Of the vocabulary of pictures. */
  readonly pictures: Tokenizer;
}

/**
 * The rows that come behind the table of the text encoder.
 *
 * @param tokenizer of the vocabulary with the words of moves
 * @returns [added tokens, width]
 */
export async function wordRows(
  frozen: Frozen,
  tokenizer: Tokenizer,
): Promise<{ shape: readonly number[]; data: Float32Array }> {
  const width = frozen.text.get(TABLE)?.shape[1] ?? 0;
  const first = frozen.pictures.vocabSize;
  const shape = [tokenizer.vocabSize - first, width];
  const generator = batchGenerator(SEED);
  const candidates = fillNormal(new Float32Array(CANDIDATES * width), generator).map((v) => LOUD * v);
  const data = fillNormal(new Float32Array(shape[0] * width), generator).map((v) => QUIET * v);
  const attention = await attentionTo(frozen, candidates, width);
  const loudest = attention.map((_, i) => i).sort((a, b) => attention[b] - attention[a]);
  Object.values(KEY_WORDS).forEach((words, move) => {
    const from = loudest[move] * width;
    for (const word of words) {
      const [, id] = tokenizer.encode(word).ids;
      data.set(candidates.subarray(from, from + width), (id - first) * width);
    }
  });
  return { shape, data };
}

/** The mean share of the cross-attention of the UNet that each candidate gets behind a caption. */
async function attentionTo(
  { text, unet: network, pictures }: Frozen,
  candidates: Float32Array,
  width: number,
): Promise<number[]> {
  const config = unetConfig(UNET_CONFIG);
  const base = pictures.vocabSize;
  const place = pictures.encode(CAPTION).length - 1;
  const frozen = constantWeights(text);
  const settings = clipTextConfig({ ...textEncoderConfig(pictures), vocab_size: base + AT_ONCE });
  const layers = crossAttentionLayers(config, 1, 1).map(({ name }) => name);
  const program = await compile(
    trace(
      {
        ids: { shape: [AT_ONCE, MAX_TOKENS], dtype: 'int32' },
        sample: { shape: [AT_ONCE, 4, 16, 16] },
        rows: { shape: [AT_ONCE, width] },
      },
      ({ ids, sample, rows }) => {
        const withRows: Weights = {
          has: (name) => frozen.has(name),
          get: (name, shape) =>
            name === TABLE ? concat([frozen.get(name, [base, width]), rows], 0) : frozen.get(name, shape),
        };
        const shares: Tensor[] = [];
        const report = (_: string, probabilities: Tensor) => {
          const share = slice(probabilities, [{ axis: 3, start: place, end: place + 1 }]);
          shares.push(mean(share, { axes: [1, 2, 3] }));
        };
        const context = textEncoder(settings, withRows)(ids).lastHiddenState;
        const timestep = constant({
          dtype: 'float32',
          shape: [AT_ONCE],
          data: new Float32Array(AT_ONCE).fill(TIMESTEP),
        });
        unet(config, constantWeights(network), { attentionMaps: { layers: new Set(layers), report } })({
          sample,
          timestep,
          context,
        });
        return { share: shares.reduce(add) };
      },
    ),
  );
  const noise = fillNormal(new Float32Array(4 * 16 * 16), batchGenerator(SEED + 1));
  const sample = new Float32Array(AT_ONCE * noise.length);
  for (let i = 0; i < AT_ONCE; i++) sample.set(noise, i * noise.length);
  const ids = new Int32Array(AT_ONCE * MAX_TOKENS);
  for (let i = 0; i < AT_ONCE; i++) {
    const own = pictures.encode(CAPTION).ids.slice();
    own[place] = base + i;
    ids.set(own, i * MAX_TOKENS);
  }
  const found: number[] = [];
  for (let at = 0; at < CANDIDATES; at += AT_ONCE) {
    const batch = candidates.slice(at * width, (at + AT_ONCE) * width);
    const { share } = await program.run({ ids, sample, rows: batch });
    found.push(...(share as Float32Array));
  }
  await program.dispose();
  return found;
}
