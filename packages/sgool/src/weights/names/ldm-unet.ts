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
  const join = (place: string, inner: string | undefined) =>
    inner === undefined ? undefined : `${place}.${inner}.${end}`;

  if (part === 'middle_block') {
    // After the index comes a name in `middle_block.1.transformer_blocks.0...`, a number in `middle_block.0.in_layers.0`.
    const rest = second === undefined ? module : `${second}.${module}`;
    if (first === '1') return join('mid_block.attentions.0', rest);
    return join(`mid_block.resnets.${Number(first) / 2}`, inside(rest, 'resnets'));
  }
  // Neither in a block nor in a numbered part of one.
  if (second === undefined) return undefined;
  const down = part === 'input_blocks';
  const layer = Number(first) - (down ? 1 : 0);
  const block = `${down ? 'down' : 'up'}_blocks.${Math.floor(layer / (layersPerBlock + 1))}`;
  if (module === 'op') return `${block}.downsamplers.0.conv.${end}`;
  if (module === 'conv') return `${block}.upsamplers.0.conv.${end}`;
  const kind = second === '0' ? 'resnets' : 'attentions';
  return join(`${block}.${kind}.${layer % (layersPerBlock + 1)}`, inside(module, kind));
}

const swapped = (table: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(table).map(([ldm, diffusers]) => [diffusers, ldm]));
const OUTER_BACK = swapped(OUTER);
const RESNET_BACK = swapped(RESNET);

/**
 * The way back: LDM's path of a module for that of diffusers, as LoRA files for LDM's UNet have it.
 *
 * @param path for instance `down_blocks.0.attentions.1.proj_in`
 * @param hasAttention whether an up block has attentions, which decides the place of its upsampler
 * @returns undefined for a module that Stable Diffusion 1 and 2 do not have
 */
export function ldmUNetModule(
  path: string,
  { layersPerBlock }: LdmUNetLayout,
  hasAttention: (upBlock: number) => boolean,
): string | undefined {
  if (Object.hasOwn(OUTER_BACK, path)) return OUTER_BACK[path];
  const inner = (kind: string, rest: string) =>
    kind === 'attentions' ? rest : Object.hasOwn(RESNET_BACK, rest) ? RESNET_BACK[rest] : undefined;
  const [, middleKind, index, middleRest] = /^mid_block\.(resnets|attentions)\.(\d+)\.(.+)$/.exec(path) ?? [];
  if (middleKind !== undefined) {
    const rest = inner(middleKind, middleRest);
    return rest && `middle_block.${middleKind === 'attentions' ? 1 : 2 * Number(index)}.${rest}`;
  }
  const [, side, block, kind, place, rest] = /^(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)$/.exec(path) ?? [];
  if (side === undefined) return undefined;
  const first = (layersPerBlock + 1) * Number(block) + Number(place);
  if (kind === 'downsamplers') return `input_blocks.${first + layersPerBlock + 1}.0.op`;
  if (kind === 'upsamplers') {
    return `output_blocks.${first + layersPerBlock}.${hasAttention(Number(block)) ? 2 : 1}.conv`;
  }
  if (kind !== 'resnets' && kind !== 'attentions') return undefined;
  const module = inner(kind, rest);
  const blocks = side === 'down' ? `input_blocks.${first + 1}` : `output_blocks.${first}`;
  return module && `${blocks}.${kind === 'resnets' ? 0 : 1}.${module}`;
}

/** The name of a tensor's EMA copy: without `model.` and without dots. */
export function emaName(name: string): string {
  return `model_ema.${name.split('.').slice(1).join('')}`;
}
