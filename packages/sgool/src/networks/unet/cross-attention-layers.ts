/** @file The cross-attentions of a UNet, without tracing it. */
import type { UNetConfig } from './unet-config.ts';

/** A layer in which the map attends to the text. */
export interface CrossAttentionLayer {
  /** The name of its module in diffusers, for example `down_blocks.1.attentions.0.transformer_blocks.0.attn2`. */
  readonly name: string;
  readonly heads: number;
  /** Size of the map whose positions attend. */
  readonly rows: number;
  readonly columns: number;
}

/**
 * The cross-attentions in the order of execution.
 *
 * @param rows of the latent, of any size
 * @param columns of the latent
 */
export function crossAttentionLayers(
  config: UNetConfig,
  rows: number,
  columns: number,
): CrossAttentionLayer[] {
  const last = config.block_out_channels.length - 1;
  /** Each level halves the map of the one before it: rounded up, without padding down. */
  const rounded = config.downsample_padding === 0 ? Math.floor : Math.ceil;
  const side = (length: number, level: number) => rounded(length / 2 ** level);
  const blocksOf = (transformer: string, level: number) =>
    Array.from({ length: config.transformer_layers_per_block[level] }, (_, i) => ({
      name: `${transformer}.transformer_blocks.${i}.attn2`,
      heads: config.attention_head_dim[level],
      rows: side(rows, level),
      columns: side(columns, level),
    }));
  const transformers = (block: string, count: number, level: number) =>
    Array.from({ length: count }, (_, i) => blocksOf(`${block}.attentions.${i}`, level)).flat();
  const down = config.down_block_types.flatMap((type, level) =>
    type === 'CrossAttnDownBlock2D'
      ? transformers(`down_blocks.${level}`, config.layers_per_block[level], level)
      : [],
  );
  const middle = config.mid_block_type ? transformers('mid_block', 1, last) : [];
  const up = config.up_block_types.flatMap((type, i) =>
    type === 'CrossAttnUpBlock2D'
      ? transformers(`up_blocks.${i}`, config.layers_per_block[last - i] + 1, last - i)
      : [],
  );
  return [...down, ...middle, ...up];
}
