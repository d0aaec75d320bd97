/**
 * @file Names of the UNet in an LDM checkpoint (below `model.diffusion_model.`) and in diffusers. LDM numbers the layers
 * of all blocks consecutively: `input_blocks.4` is the first layer of the second block where a block has two layers and a downsampler.
 *
 * Reference: CompVis/stable-diffusion, ldm/modules/diffusionmodules/openaimodel.py; names of diffusers' UNet2DConditionModel
 */

/** The layout that LDM's numbers depend on. */
export interface LdmUNetLayout {
  readonly layersPerBlock: number;
}

const OUTER: Readonly<Record<string, string>> = {
  'time_embed.0': 'time_embedding.linear_1',
  'time_embed.2': 'time_embedding.linear_2',
  'time_embed.cond_proj': 'time_embedding.cond_proj',
  'input_blocks.0.0': 'conv_in',
  'out.0': 'conv_norm_out',
  'out.2': 'conv_out',
};

const RESNET: Readonly<Record<string, string>> = {
  'in_layers.0': 'norm1',
  'in_layers.2': 'conv1',
  'emb_layers.1': 'time_emb_proj',
  'out_layers.0': 'norm2',
  'out_layers.3': 'conv2',
  skip_connection: 'conv_shortcut',
};

/** Infers the layout from the positions of the downsamplers; a single block has none. */
export function ldmUNetLayout(names: Iterable<string>): LdmUNetLayout {
  let firstDownsampler = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const name of names) {
    const [, layer, downsampler] = /^input_blocks\.(\d+)\.0\.(op\.)?/.exec(name) ?? [];
    if (layer === undefined) continue;
    last = Math.max(last, Number(layer));
    if (downsampler !== undefined) firstDownsampler = Math.min(firstDownsampler, Number(layer));
  }
  return { layersPerBlock: Number.isFinite(firstDownsampler) ? firstDownsampler - 1 : last };
}

function inside(module: string, kind: 'resnets' | 'attentions'): string | undefined {
  if (kind === 'attentions') return module;
  return Object.hasOwn(RESNET, module) ? RESNET[module] : undefined;
}

/**
 * Translates LDM's name to diffusers'.
 *
 * @param name below `model.diffusion_model.`, ending in `.weight` or `.bias`
 * @returns undefined for a tensor that Stable Diffusion 1 and 2 do not have
 */
export function ldmUNetName(name: string, { layersPerBlock }: LdmUNetLayout): string | undefined {
  const [, stem, end] = /^(.+)\.(weight|bias)$/.exec(name) ?? [];
  if (stem === undefined) return undefined;
  if (Object.hasOwn(OUTER, stem)) return `${OUTER[stem]}.${end}`;

  const [, part, first, second, module] =
    /^(input_blocks|middle_block|output_blocks)\.(\d+)\.(?:(\d+)\.)?(.+)$/.exec(stem) ?? [];
  if (part === undefined) return undefined;
  const join = (place: string, inner: string | undefined) =>
    inner === undefined ? undefined : `${place}.${inner}.${end}`;

  if (part === 'middle_block') {
    // After the index comes a name in `middle_block.1.transformer_blocks.0...`, a number in `middle_block.0.in_layers.0`.
    const rest = second === undefined ? module : `${second}.${module}`;
    if (first === '1') return join('mid_block.attentions.0', rest);
    return join(`mid_block.resnets.${Number(first) / 2}`, inside(rest, 'resnets'));
  }
  if (second === undefined) return undefined;
  const down = part === 'input_blocks';
  const layer = Number(first) - (down ? 1 : 0);
  const block = `${down ? 'down' : 'up'}_blocks.${Math.floor(layer / (layersPerBlock + 1))}`;
  if (module === 'op') return `${block}.downsamplers.0.conv.${end}`;
  if (module === 'conv') return `${block}.upsamplers.0.conv.${end}`;
  const kind = second === '0' ? 'resnets' : 'attentions';
  return join(`${block}.${kind}.${layer % (layersPerBlock + 1)}`, inside(module, kind));
}

/** The name of a tensor's EMA copy: without `model.` and without dots. */
export function emaName(name: string): string {
  return `model_ema.${name.split('.').slice(1).join('')}`;
}
