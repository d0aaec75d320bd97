/**
 * @file Prompts as Flux reads them: the states of T5, and the pooled text of a CLIP, not projected.
 *
 * Reference: diffusers, FluxPipeline (encode_prompt)
 */
import { UserError } from '../../errors.ts';
import type { FluxConfig } from '../../networks/transformer/flux-config.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import type { ModelFolder } from '../../weights/open/model-folder.ts';
import type { TextEncoders } from '../flow/prompts.ts';
import { openClipEncoder, openT5Encoder } from '../flow/text-encoders.ts';
import type { TextContext } from '../text-context.ts';

/**
 * Opens the text encoders.
 *
 * @param t5Tokens that T5 reads
 * @throws UserError where one is missing or broken, or they do not fit the transformer
 */
export async function fluxTextEncoders(
  folder: ModelFolder,
  { joint_attention_dim: width, pooled_projection_dim: pooled }: FluxConfig,
  programs: ProgramCache,
  t5Tokens: number,
): Promise<TextEncoders> {
  const clip = await openClipEncoder(folder, { encoder: 'text_encoder', tokenizer: 'tokenizer' }, programs);
  const names = { encoder: 'text_encoder_2', tokenizer: 'tokenizer_2' };
  const t5 = await openT5Encoder(folder, names, programs, t5Tokens);
  for (const [what, given, wanted, key] of [
    ['T5', t5.width, width, 'joint_attention_dim'],
    ['the CLIP', clip.config.hidden_size, pooled, 'pooled_projection_dim'],
  ] as const) {
    if (given === wanted) continue;
    throw new UserError(
      `${folder.dir}: the transformer reads text of width ${wanted} (${key}), ${what} gives ${given}; they must be the same`,
    );
  }
  return {
    clipTokenizer: clip.tokenizer,
    async encode(texts, clipSkip) {
      if (clipSkip > 1) {
        throw new UserError(
          `request: clipSkip has no effect with Flux, which reads the CLIP's last layer alone; use 1, got ${clipSkip}`,
        );
      }
      const states = await t5.states(texts);
      const contexts: TextContext[] = [];
      for (const [i, text] of texts.entries()) {
        const { pooledUnprojected } = await clip.states(text, 1);
        contexts.push({ tokens: t5Tokens, width, data: states[i], pooled: pooledUnprojected });
      }
      return contexts;
    },
    fit(text) {
      const [short, long] = [clip.fit(text), t5.fit(text)];
      const note = `the prompt is longer than the ${clip.size - 2} tokens that the CLIP of this model reads; T5 reads ${t5Tokens - 1}`;
      return { ...short, ...long, notes: short.truncated ? [note] : [] };
    },
  };
}
