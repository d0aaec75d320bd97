/** @file Prompts as the conditioning of the UNet. */
import { trace } from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import { networkWeights } from '../../networks/network-weights.ts';
import { textEncoder } from '../../networks/text/text-encoder.ts';
import { type ClipTextConfig, clipTextConfig } from '../../networks/text/text-encoder-config.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import { FIRST_EMBEDDING_ID } from '../../text/embedding-tokens.ts';
import { checkIds, fittedIds } from '../../text/fitted-ids.ts';
import { emptyChunk, type PromptChunk, promptChunks } from '../../text/prompt/chunks.ts';
import type { ParsedPrompt, PromptStage } from '../../text/prompt/prompt.ts';
import { excerpt, type PromptPart, textOf } from '../../text/prompt/weighted-text.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { ModelComponent } from '../../weights/open/model-folder.ts';
import type { TextEmbedding } from '../../weights/open/textual-inversion.ts';
import type { TextContext } from '../text-context.ts';
import { clauseChunks, encodeClauses } from './compel-encoding.ts';

/** Prefix of the keys of its programs. */
export const TEXT_ENCODER = 'text encoder';

/** Added to the scores of a token that no other may attend to; also float16 holds it. */
const HIDDEN = -1e4;

/** The tokens of a prompt in its conditioning, behind the start token. */
export interface PromptTokens {
  readonly pieces: readonly string[];
  /** Indices in the conditioning of the pieces of each occurrence of a word or phrase. */
  occurrences(phrase: string): readonly (readonly number[])[];
}

/** The text encoder of a model. */
export interface PromptEncoder {
  /** Tokens of a chunk, start and end included. */
  readonly chunkSize: number;
  /** Number of chunks of a stage of a prompt: more than one only where its syntax allows prompts of any length. */
  chunkCount(syntax: ParsedPrompt['syntax'], stage: PromptStage): number;
  /**
   * Conditioning for each stage of a prompt, all of the same length.
   *
   * @param clipSkip 1 for the output of the last layer, 2 for the one before it, and so on
   */
  encode(prompt: ParsedPrompt, clipSkip: number): Promise<TextContext[]>;
  /**
   * Where the words of a prompt are in its conditioning. A phrase is found inside of texts of one weight only.
   *
   * @throws UserError where the conditioning is not one row of the prompt's tokens
   */
  tokensOf(prompt: ParsedPrompt): PromptTokens;
  /** Appends empty prompts to the shorter contexts. */
  padded(contexts: readonly TextContext[], tokens: number, clipSkip: number): Promise<TextContext[]>;
}

/** The configuration with as many embeddings as there are: added tokens may have come later than the number in it. */
function withAllEmbeddings(config: ClipTextConfig, { weights }: ModelComponent): ClipTextConfig {
  const name = 'embeddings.token_embedding.weight';
  const stored = weights.tensors.get(`text_model.${name}`) ?? weights.tensors.get(name);
  const rows = stored?.shape[0] ?? 0;
  return rows > config.vocab_size ? { ...config, vocab_size: rows } : config;
}

/** The vectors of all embeddings, one after another. @throws UserError where one has another width than the text encoder */
function rowsOf(
  embeddings: readonly TextEmbedding[],
  { hidden_size: width }: ClipTextConfig,
  dir: string,
): Float32Array {
  const wrong = embeddings.find((each) => each.width !== width);
  if (wrong !== undefined) {
    const versions: Readonly<Record<number, string>> = { 768: ' (Stable Diffusion 1.x)', 1024: ' (2.x)' };
    const named = (size: number) => `${size}${versions[size] ?? ''}`;
    throw new UserError(
      `${wrong.path}: it was made for another model: its vectors have width ${named(wrong.width)}, those of ${dir} ${named(width)}`,
    );
  }
  return Float32Array.from(embeddings.flatMap(({ data }) => [...data]));
}

/** Opens the text encoder of a model; it remembers what it encoded. */
export function promptEncoder(
  component: ModelComponent,
  tokenizer: Tokenizer,
  programs: ProgramCache,
  embeddings: readonly TextEmbedding[] = [],
): PromptEncoder {
  const stated = clipTextConfig(component.config, `${component.dir}/config.json`);
  const config = withAllEmbeddings(stated, component);
  const weights = networkWeights(component.weights);
  const size = Math.min(tokenizer.maxLength, config.max_position_embeddings);
  const rows = rowsOf(embeddings, config, component.dir);
  const known = programs.resultsOf<Float32Array>(TEXT_ENCODER);

  async function run(
    ids: Int32Array,
    clipSkip: number,
    hidden: Float32Array | undefined,
  ): Promise<Float32Array> {
    checkIds(ids, config.vocab_size, component.dir, FIRST_EMBEDDING_ID);
    const layers = config.num_hidden_layers - (clipSkip - 1);
    if (layers < 1) {
      throw new UserError(
        `request: clipSkip must be at most ${config.num_hidden_layers} for this text encoder, got ${clipSkip}`,
      );
    }
    const name = `${TEXT_ENCODER} ${ids.length}${clipSkip > 1 ? `, ${layers} layers` : ''}${hidden ? ', masked' : ''}`;
    const shape = { ids: { shape: [1, ids.length], dtype: 'int32' } } as const;
    const encoder = textEncoder({ ...config, num_hidden_layers: layers }, weights, rows);
    const program = await programs.get(name, () =>
      hidden === undefined
        ? trace(shape, (inputs) => ({ states: encoder(inputs.ids).lastHiddenState }))
        : trace({ ...shape, hidden: { shape: [1, 1, 1, ids.length], dtype: 'float32' } }, (inputs) => ({
            states: encoder(inputs.ids, inputs.hidden).lastHiddenState,
          })),
    );
    // The rows of embeddings follow those of the vocabulary.
    const inTable = ids.map((id) =>
      id < FIRST_EMBEDDING_ID ? id : config.vocab_size + id - FIRST_EMBEDDING_ID,
    );
    return (await program.run({ ids: inTable, ...(hidden === undefined ? {} : { hidden }) }))
      .states as Float32Array;
  }

  function encodeIds(
    ids: Int32Array,
    clipSkip: number,
    isHidden?: readonly boolean[],
  ): Promise<Float32Array> {
    const hidden = isHidden?.includes(true)
      ? Float32Array.from(isHidden, (each) => (each ? HIDDEN : 0))
      : undefined;
    const key = `${clipSkip}: ${ids.join(' ')} ${hidden?.join(' ') ?? ''}`;
    let states = known.get(key);
    if (!states) {
      states = run(ids, clipSkip, hidden);
      known.set(key, states);
      states.catch(() => known.delete(key));
    }
    return states;
  }

  const contextOf = (chunks: readonly Float32Array[]): TextContext => {
    if (chunks.length === 1) return { tokens: size, width: config.hidden_size, data: chunks[0] };
    const data = new Float32Array(chunks.length * size * config.hidden_size);
    for (const [i, chunk] of chunks.entries()) data.set(chunk, i * chunk.length);
    return { tokens: chunks.length * size, width: config.hidden_size, data };
  };

  function chunksOf(syntax: ParsedPrompt['syntax'], parts: readonly PromptPart[]): PromptChunk[] {
    if (syntax === 'a1111') return promptChunks(parts, size, tokenizer);
    const { ids, length } = fittedIds(tokenizer, textOf(parts), size);
    return [{ ids, length, weights: new Float32Array(ids.length).fill(1) }];
  }

  const parts = { size, width: config.hidden_size, tokenizer };

  function chunkCount(syntax: ParsedPrompt['syntax'], { parts: own, clauses }: PromptStage): number {
    if (clauses === undefined) return chunksOf(syntax, own).length;
    return clauses.reduce((sum, clause) => sum + clauseChunks(clause, parts), 0);
  }

  return {
    chunkSize: size,

    chunkCount,

    tokensOf(prompt) {
      const texts = textsOfOneChunk(prompt);
      const { syntax, stages } = prompt;
      const count = chunkCount(syntax, stages[0]);
      if (count > 1) {
        throw new UserError(
          `attention: the prompt ${excerpt(prompt.text)} is read in ${count} chunks; its attention can be read for ${size - 2} tokens at most, without BREAK`,
        );
      }
      const all = texts.map((text) => tokenizer.pieces(text));
      const starts = all.map((_, i) => all.slice(0, i).reduce((sum, { length }) => sum + length, 0));
      return {
        pieces: all
          .flat()
          .slice(0, size - 2)
          .map(({ text }) => text),
        occurrences(phrase) {
          const { length } = tokenizer.pieces(phrase);
          return texts.flatMap((text, i) => {
            const places = tokenizer.tokenPositions(text, phrase).map((place) => starts[i] + place);
            const whole = Array.from({ length: Math.floor(places.length / length) }, (_, k) =>
              places.slice(k * length, (k + 1) * length),
            );
            return whole.filter((own) => own[length - 1] < size - 1);
          });
        },
      };
    },

    async encode({ syntax, stages }, clipSkip) {
      const [{ clauses }] = stages;
      if (clauses !== undefined) {
        const encode = (ids: Int32Array, isHidden?: readonly boolean[]) => encodeIds(ids, clipSkip, isHidden);
        return [contextOf(await encodeClauses(clauses, parts, encode))];
      }
      const chunked = stages.map(({ parts }) => chunksOf(syntax, parts));
      const count = Math.max(...chunked.map((chunks) => chunks.length));
      const encoded: Float32Array[][] = chunked.map(() => []);
      for (let at = 0; at < count; at++) {
        const row = chunked.map((chunks) => chunks[at] ?? emptyChunk(size, tokenizer));
        const states: Float32Array[] = [];
        for (const { ids } of row) states.push(await encodeIds(ids, clipSkip));
        const weighted = applyWeights(states, row);
        weighted.forEach((each, stage) => {
          encoded[stage].push(each);
        });
      }
      return encoded.map(contextOf);
    },

    async padded(contexts, tokens, clipSkip) {
      if (contexts.every((context) => context.tokens === tokens)) return [...contexts];
      const empty = await encodeIds(emptyChunk(size, tokenizer).ids, clipSkip);
      return contexts.map(({ data, ...context }) => {
        const all = new Float32Array(tokens * context.width);
        all.set(data);
        for (let at = data.length; at < all.length; at += empty.length) all.set(empty, at);
        return { ...context, tokens, data: all };
      });
    },
  };
}

/**
 * The texts of a prompt, one after another, whose tokens its conditioning holds.
 *
 * @throws UserError where it changes from step to step, or is put together of several texts
 */
function textsOfOneChunk({ stages, text }: ParsedPrompt): string[] {
  const [{ parts, clauses }] = stages;
  if (stages.length > 1) {
    throw new UserError(
      `attention: the prompt ${excerpt(text)} changes from step to step, and its tokens with it; write one that does not`,
    );
  }
  if (clauses === undefined) return parts.flatMap((part) => (part === 'break' ? [] : [part.text]));
  const texts = clauses.flatMap((clause) => clause.texts);
  if (texts.length === 1) return texts[0].fragments.map((fragment) => fragment.text);
  throw new UserError(
    `attention: the prompt ${excerpt(text)} is put together of ${texts.length} texts; its attention can be read for one`,
  );
}

const meanOf = (all: readonly Float32Array[]) => {
  let total = 0;
  let count = 0;
  for (const values of all) {
    for (const value of values) total += value;
    count += values.length;
  }
  return total / count;
};

/**
 * Multiplies the states of each token by its weight and restores the mean over all, as the web UI does for the texts of one prompt.
 *
 * Reference: AUTOMATIC1111/stable-diffusion-webui, wiki, setting "Emphasis mode" at its default, "Original"
 */
function applyWeights(states: readonly Float32Array[], chunks: readonly PromptChunk[]): Float32Array[] {
  if (chunks.every(({ weights }) => weights.every((weight) => weight === 1))) return [...states];
  const weighted = states.map((values, i) => {
    const { weights } = chunks[i];
    const width = values.length / weights.length;
    return values.map((value, at) => value * weights[Math.floor(at / width)]);
  });
  const ratio = meanOf(states) / meanOf(weighted);
  return weighted.map((values) => values.map((value) => value * ratio));
}
