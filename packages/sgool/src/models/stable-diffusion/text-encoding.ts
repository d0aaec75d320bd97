/** @file Prompts as the conditioning of the UNet. */
import { trace } from '@sgool/autodiff';
import { networkWeights } from '../../networks/network-weights.ts';
import { textEncoder } from '../../networks/text/text-encoder.ts';
import { clipTextConfig } from '../../networks/text/text-encoder-config.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import { fittedIds } from '../../text/fitted-ids.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { ModelComponent } from '../../weights/open/model-folder.ts';
import type { TextContext } from './denoising.ts';

/** Prefix of the keys of its programs. */
export const TEXT_ENCODER = 'text encoder';

/** The text encoder of a model as a function that remembers its results by prompt. */
export function promptEncoder(
  component: ModelComponent,
  tokenizer: Tokenizer,
  programs: ProgramCache,
): (prompt: string) => Promise<TextContext> {
  const config = clipTextConfig(component.config, `${component.dir}/config.json`);
  const weights = networkWeights(component.weights);
  const known = new Map<string, Promise<TextContext>>();

  async function encode(prompt: string): Promise<TextContext> {
    const { ids } = fittedIds(tokenizer, prompt, config.max_position_embeddings);
    const program = await programs.get(`${TEXT_ENCODER} ${ids.length}`, () =>
      trace({ ids: { shape: [1, ids.length], dtype: 'int32' } }, (inputs) => ({
        states: textEncoder(config, weights)(inputs.ids).lastHiddenState,
      })),
    );
    const { states } = await program.run({ ids });
    return { tokens: ids.length, width: config.hidden_size, data: states as Float32Array };
  }

  return (prompt) => {
    let context = known.get(prompt);
    if (!context) {
      context = encode(prompt);
      known.set(prompt, context);
      context.catch(() => known.delete(prompt));
    }
    return context;
  };
}
