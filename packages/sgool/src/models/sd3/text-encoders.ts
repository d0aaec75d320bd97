/**
 * @file Prompts as Stable Diffusion 3 reads them: two CLIPs side by side, then T5, and both CLIPs' pooled texts.
 *
 * Reference: Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis", section 4; diffusers,
 * StableDiffusion3Pipeline (encode_prompt)
 */
import { UserError } from '../../errors.ts';
import type { Sd3Config } from '../../networks/transformer/sd3-config.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import type { ModelFolder } from '../../weights/open/model-folder.ts';
import type { TextEncoders } from '../flow/prompts.ts';
import { type ClipEncoder, openClipEncoder, openT5Encoder, type T5Encoder } from '../flow/text-encoders.ts';
import type { TextContext } from '../text-context.ts';

/** Tokens that T5 reads, and zeros where there is none. */
const T5_TOKENS = 256;

export const FIRST = { encoder: 'text_encoder', tokenizer: 'tokenizer' };
export const SECOND = { encoder: 'text_encoder_2', tokenizer: 'tokenizer_2' };
export const THIRD = { encoder: 'text_encoder_3', tokenizer: 'tokenizer_3' };

/**
 * Opens the text encoders.
 *
 * @throws UserError where one is missing or broken, or they do not fit the transformer; T5 may be missing
 */
export async function sd3TextEncoders(
  folder: ModelFolder,
  transformer: Sd3Config,
  programs: ProgramCache,
): Promise<TextEncoders> {
  const clips = [
    await openClipEncoder(folder, FIRST, programs),
    await openClipEncoder(folder, SECOND, programs),
  ] as const;
  const t5 = folder.components.has(THIRD.encoder)
    ? await openT5Encoder(folder, THIRD, programs, T5_TOKENS)
    : undefined;
  checkWidths(folder.dir, transformer, clips, t5);
  const { joint_attention_dim: width } = transformer;
  const size = Math.min(...clips.map((clip) => clip.size));

  return {
    clipTokenizer: clips[0].tokenizer,
    async encode(texts, clipSkip) {
      const ofT5 = await t5?.states(texts);
      const contexts: TextContext[] = [];
      for (const [i, text] of texts.entries()) {
        const [first, second] = [
          await clips[0].states(text, clipSkip),
          await clips[1].states(text, clipSkip),
        ];
        const tokens = ofT5 ? size + T5_TOKENS : size;
        const data = new Float32Array(tokens * width);
        sideBySide(data, width, size, [first.states, second.states]);
        if (ofT5) data.set(ofT5[i], size * width);
        contexts.push({
          tokens,
          width,
          data,
          ...(ofT5 ? {} : { emptyTokens: T5_TOKENS }),
          pooled: Float32Array.from([...first.pooled, ...second.pooled]),
        });
      }
      return contexts;
    },
    fit(text) {
      const [short, long] = [clips[0].fit(text), t5?.fit(text)];
      if (long === undefined) return { ...short, notes: [] };
      const note = `the prompt is longer than the ${size - 2} tokens that the CLIPs of this model read; T5 reads ${T5_TOKENS - 1}`;
      return { ...short, ...long, notes: short.truncated ? [note] : [] };
    },
  };
}

/** Writes states [tokens, ownWidth] next to each other into the rows of [tokens, width]; the rest of a row stays 0. */
function sideBySide(into: Float32Array, width: number, tokens: number, parts: readonly Float32Array[]): void {
  let column = 0;
  for (const part of parts) {
    const own = part.length / tokens;
    for (let i = 0; i < tokens; i++) into.set(part.subarray(i * own, (i + 1) * own), i * width + column);
    column += own;
  }
}

function checkWidths(
  dir: string,
  { joint_attention_dim: joint, pooled_projection_dim: pooled }: Sd3Config,
  clips: readonly ClipEncoder[],
  t5: T5Encoder | undefined,
): void {
  const sumOf = (widths: readonly number[]) => widths.reduce((a, b) => a + b);
  const states = sumOf(clips.map(({ config }) => config.hidden_size));
  if (states > joint || (t5 !== undefined && t5.width !== joint)) {
    throw new UserError(
      `${dir}: the transformer reads text of width ${joint} (joint_attention_dim), the CLIPs give ${states}${t5 ? `, T5 ${t5.width}` : ''}; the CLIPs' must be at most as much${t5 ? ', T5’s the same' : ''}`,
    );
  }
  const whole = sumOf(clips.map((clip) => clip.pooledWidth));
  if (whole !== pooled) {
    throw new UserError(
      `${dir}: the transformer reads pooled text of width ${pooled} (pooled_projection_dim), the CLIPs give ${whole}; they must be the same`,
    );
  }
  const [first, second] = clips.map(({ size }) => size);
  if (first !== second) {
    throw new UserError(`${dir}: its CLIPs read ${first} and ${second} tokens; they must be the same`);
  }
}
