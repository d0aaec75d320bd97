/** @file The UNet of Stable Diffusion as fine-tuning sees it. */
import type { Weights } from '@sgool/autodiff';
import { unet } from '../../networks/unet/unet.ts';
import type { UNetConfig } from '../../networks/unet/unet-config.ts';
import { parsePrompt } from '../../text/prompt/prompt.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { WeightSource } from '../../weights/formats/weight-source.ts';
import type { AttentionMap, TrainableNetwork } from '../trainable-network.ts';
import type { PromptEncoder } from './text-encoding.ts';

const ENDINGS = { keys: 'attn2.to_k.weight', values: 'attn2.to_v.weight', queries: 'attn2.to_q.weight' };

export interface TrainableUNetParts
  extends Pick<TrainableNetwork, 'programs' | 'weights' | 'latentScale' | 'trainTimesteps'> {
  readonly config: UNetConfig;
  readonly source: WeightSource;
  readonly prompts: Pick<PromptEncoder, 'encode'>;
  readonly tokenizer: Tokenizer;
}

/** A UNet that reads a latent, a time and a text, and nothing else. */
export function trainableUNet({
  config,
  source,
  prompts,
  tokenizer,
  ...own
}: TrainableUNetParts): TrainableNetwork {
  return {
    ...own,
    projections: (which) =>
      new Map(
        source
          .names()
          .filter((name) => name.endsWith(ENDINGS[which]))
          .sort()
          .map((name) => [name, source.get(name)]),
      ),
    predict(inputs, weights: Weights, onMap) {
      const [, , height, width] = inputs.sample.shape as [number, number, number, number];
      const attentionMaps =
        onMap &&
        ((_: string, probabilities: AttentionMap['probabilities']) =>
          onMap({ ...sidesOf(probabilities.shape[2], height, width), probabilities }));
      return unet(config, weights, { attentionMaps })(inputs);
    },
    async encode(text) {
      const [context] = await prompts.encode(parsePrompt(text, 'plain', 1), 1);
      return context;
    },
    positions: (text, word) => tokenizer.tokenPositions(text, word),
  };
}

/** Rows and columns of a map: the latent's sides, halved and rounded up until they have so many positions. */
function sidesOf(positions: number, height: number, width: number): { rows: number; columns: number } {
  let [rows, columns] = [height, width];
  while (rows * columns > positions) [rows, columns] = [Math.ceil(rows / 2), Math.ceil(columns / 2)];
  return { rows, columns };
}
