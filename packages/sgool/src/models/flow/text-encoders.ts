/** @file The text encoders that the flows share, with their tokenizers. */
import { t5Config } from '../../networks/text/t5-config.ts';
import { type ClipTextConfig, clipTextConfig } from '../../networks/text/text-encoder-config.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import { fittedIds } from '../../text/fitted-ids.ts';
import { loadT5Tokenizer, loadTokenizer } from '../../text/load-tokenizer.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { ModelFolder } from '../../weights/open/model-folder.ts';
import { componentOf, tokenizerOf } from '../components.ts';
import { type ClipStates, clipStates } from '../text/clip-states.ts';
import { t5States } from '../text/t5-states.ts';
import type { TextFit } from './prompts.ts';

/** Where an encoder and its tokenizer are in a model folder. */
export interface EncoderNames {
  readonly encoder: string;
  readonly tokenizer: string;
}

/** A CLIP text encoder of a model. */
export interface ClipEncoder {
  readonly config: ClipTextConfig;
  /** Of its pooled text. */
  readonly pooledWidth: number;
  readonly tokenizer: Tokenizer;
  /** Ids that it gets, start, end and padding included. */
  readonly size: number;
  /** @throws UserError where there are not so many layers to skip */
  states(text: string, clipSkip: number): Promise<ClipStates>;
  fit(text: string): Omit<TextFit, 'notes'>;
}

/** Opens a CLIP text encoder. @throws UserError where it or its tokenizer is missing or broken */
export async function openClipEncoder(
  folder: ModelFolder,
  names: EncoderNames,
  programs: ProgramCache,
): Promise<ClipEncoder> {
  const component = componentOf(folder, names.encoder);
  const config = clipTextConfig(component.config, `${component.dir}/config.json`);
  const { dir, config: settings } = tokenizerOf(folder, names.tokenizer);
  const tokenizer = await loadTokenizer(dir, { config: settings });
  const size = Math.min(tokenizer.maxLength, config.max_position_embeddings);
  return {
    config,
    pooledWidth: component.weights.has('text_projection.weight') ? config.projection_dim : config.hidden_size,
    tokenizer,
    size,
    async states(text, clipSkip) {
      const states = await clipStates(component, programs, fittedIds(tokenizer, text, size).ids, {
        clipSkip,
      });
      await programs.release(component.name);
      return states;
    },
    fit(text) {
      const { tokens, lost } = tokenizer.encode(text);
      const cut = Math.max(0, tokens.length + 2 - size);
      return {
        tokens: tokens.slice(0, size - 2),
        truncated: lost + cut > 0,
        lost: lost + cut,
        unknown: tokenizer.unknownWords(text),
      };
    },
  };
}

/** A T5 text encoder of a model. */
export interface T5Encoder {
  /** Of its states. */
  readonly width: number;
  /** States [tokens, width] of texts; padding is read like words. */
  states(texts: readonly string[]): Promise<Float32Array[]>;
  fit(text: string): Omit<TextFit, 'notes' | 'unknown'>;
}

/**
 * Opens a T5 text encoder.
 *
 * @param tokens that it reads, the end and padding included
 * @throws UserError where it or its tokenizer is missing or broken
 */
export async function openT5Encoder(
  folder: ModelFolder,
  names: EncoderNames,
  programs: ProgramCache,
  tokens: number,
): Promise<T5Encoder> {
  const component = componentOf(folder, names.encoder);
  const { d_model: width } = t5Config(component.config, `${component.dir}/config.json`);
  const { dir } = tokenizerOf(folder, names.tokenizer);
  const tokenizer = await loadT5Tokenizer(dir);
  return {
    width,
    states: (texts) =>
      t5States(
        component,
        programs,
        texts.map((text) => tokenizer.encode(text, tokens).ids),
      ),
    fit: (text) => tokenizer.encode(text, tokens),
  };
}
