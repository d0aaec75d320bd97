/** @file The UNet of Stable Diffusion as fine-tuning sees it. */
import { crossAttentionLayers } from '../../networks/unet/cross-attention-layers.ts';
import { unet } from '../../networks/unet/unet.ts';
import type { UNetConfig } from '../../networks/unet/unet-config.ts';
import { parsePrompt } from '../../text/prompt/prompt.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { WeightSource } from '../../weights/formats/weight-source.ts';
import type { TrainableNetwork } from '../trainable-network.ts';
import type { PromptEncoder } from './text-encoding.ts';

const ENDINGS = { keys: 'attn2.to_k.weight', values: 'attn2.to_v.weight', queries: 'attn2.to_q.weight' };

export interface TrainableUNetParts
  extends Pick<TrainableNetwork, 'programs' | 'weights' | 'latentScale' | 'trainTimesteps'> {
  readonly config: UNetConfig;
  /** Whether gradients compute the activations of each block again instead of keeping them. Default false. */
  readonly checkpointBlocks?: boolean;
  readonly source: WeightSource;
  readonly prompts: Pick<PromptEncoder, 'encode'>;
  readonly tokenizer: Tokenizer;
}

/** A UNet that reads a latent, a time and a text, and nothing else. */
export function trainableUNet({
  config,
  checkpointBlocks,
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
    predict: (inputs, weights, attentionMaps) =>
      unet(config, weights, { attentionMaps, checkpointBlocks })(inputs),
    attentionLayers: (rows, columns) => crossAttentionLayers(config, rows, columns),
    async encode(text) {
      const [context] = await prompts.encode(parsePrompt(text, 'plain', 1), 1);
      return context;
    },
    positions: (text, word) => tokenizer.tokenPositions(text, word),
  };
}
