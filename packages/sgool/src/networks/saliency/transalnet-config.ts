/** @file The `config.json` of a TranSalNet: sgool's own format, since the authors publish none. */
import { z } from 'zod';
import { type LimitedKey, limited } from '../config-limits.ts';
import { parseConfig } from '../parse-config.ts';

const three = (key: LimitedKey) => z.tuple([limited(key), limited(key), limited(key)]);
const four = (key: LimitedKey) => z.tuple([limited(key), limited(key), limited(key), limited(key)]);

const transalnetSchema = z
  .object({
    /** `res` for TranSalNet_Res (ResNet-50), `dense` for TranSalNet_Dense (DenseNet-161). */
    variant: z.enum(['res', 'dense']).default('res'),
    /** Height and width of the input; the position embeddings fix them. */
    image_size: z.tuple([limited('image_size'), limited('image_size')]).default([288, 384]),
    /** Channels after the first convolution: 64 for ResNet-50, 96 for DenseNet-161. */
    base_width: limited('base_width').optional(),
    /** Layers of the four backbone stages. */
    stage_layers: four('stage_layers').optional(),
    /** Channels that each layer of a DenseNet adds. */
    growth_rate: limited('growth_rate').default(48),
    /** Widths of the transformers behind the last, the middle and the first tap. */
    hidden_sizes: three('hidden_sizes').default([768, 768, 512]),
    heads: three('heads').default([12, 12, 8]),
    transformer_layers: limited('transformer_layers').default(2),
    mlp_ratio: limited('mlp_ratio').default(4),
    /** Channels after decoder convolutions 3 to 6. */
    decoder_widths: four('decoder_widths').default([256, 128, 64, 32]),
  })
  .transform((config, ctx) => {
    if (config.image_size.some((side) => side % 32 !== 0)) {
      ctx.addIssue({ code: 'custom', path: ['image_size'], message: 'must be multiples of 32' });
    }
    if (config.hidden_sizes.some((size, i) => size % config.heads[i] !== 0)) {
      ctx.addIssue({ code: 'custom', path: ['heads'], message: 'must divide hidden_sizes' });
    }
    const dense = config.variant === 'dense';
    return {
      ...config,
      base_width: config.base_width ?? (dense ? 96 : 64),
      stage_layers: config.stage_layers ?? (dense ? ([6, 12, 36, 24] as const) : ([3, 4, 6, 3] as const)),
    };
  });

/**
 * Layout of a TranSalNet; without any key it is the published TranSalNet_Res.
 *
 * @interface
 */
export type TranSalNetConfig = Readonly<z.output<typeof transalnetSchema>>;

/**
 * Checks the `config.json` of a TranSalNet (this project's own: the authors publish none).
 *
 * @param owner names the file in messages
 * @throws UserError in one line: the key, its value, what is supported
 */
export function transalnetConfig(config: unknown, owner = 'transalnet config'): TranSalNetConfig {
  return parseConfig(transalnetSchema, config, owner);
}
