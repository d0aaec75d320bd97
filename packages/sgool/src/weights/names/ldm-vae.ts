/**
 * @file Names of the autoencoder in an LDM checkpoint (below `first_stage_model.`) and in diffusers.
 *
 * Reference: CompVis/stable-diffusion, ldm/modules/diffusionmodules/model.py; names of diffusers' AutoencoderKL
 */

const ATTENTION: Readonly<Record<string, string>> = {
  norm: 'group_norm',
  q: 'to_q',
  k: 'to_k',
  v: 'to_v',
  proj_out: 'to_out.0',
};

/** Number of blocks of the encoder; the decoder has as many. */
export function ldmVaeBlocks(names: Iterable<string>): number {
  let last = -1;
  for (const name of names) {
    const [, block] = /^(?:encoder\.down|decoder\.up)\.(\d+)\./.exec(name) ?? [];
    if (block !== undefined) last = Math.max(last, Number(block));
  }
  return last + 1;
}

/**
 * Translates LDM's name to diffusers'. The decoder's blocks are counted from the other end.
 *
 * @param name below `first_stage_model.`
 * @returns undefined for what belongs to training only (`loss.*`, `model_ema.*`)
 */
export function ldmVaeName(name: string, blocks: number): string | undefined {
  if (/^(post_)?quant_conv\./.test(name)) return name;
  const [, tower, rest] = /^(encoder|decoder)\.(.+)$/.exec(name) ?? [];
  if (rest === undefined) return undefined;
  if (/^conv_(in|out)\./.test(rest)) return name;

  const attention = /^mid\.attn_1\.(norm|q|k|v|proj_out)\.(\w+)$/.exec(rest);
  if (attention) return `${tower}.mid_block.attentions.0.${ATTENTION[attention[1]]}.${attention[2]}`;

  const resnet = /^(?:mid\.block_(\d)|(down|up)\.(\d+)\.block\.(\d+))\.(.+)$/.exec(rest);
  if (resnet) {
    const [, middle, , block, layer, module] = resnet;
    const inner = module.replace('nin_shortcut', 'conv_shortcut');
    if (middle !== undefined) return `${tower}.mid_block.resnets.${Number(middle) - 1}.${inner}`;
    return `${tower}.${blockName(tower, Number(block), blocks)}.resnets.${layer}.${inner}`;
  }
  const sampler = /^(?:down|up)\.(\d+)\.(down|up)sample\.conv\.(\w+)$/.exec(rest);
  if (sampler) {
    const [, block, direction, end] = sampler;
    return `${tower}.${blockName(tower, Number(block), blocks)}.${direction}samplers.0.conv.${end}`;
  }
  return rest.startsWith('norm_out.') ? `${tower}.conv_${rest}` : undefined;
}

function blockName(tower: string, block: number, blocks: number): string {
  return tower === 'encoder' ? `down_blocks.${block}` : `up_blocks.${blocks - 1 - block}`;
}
