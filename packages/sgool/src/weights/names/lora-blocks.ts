/**
 * @file The blocks of Stable Diffusion 1.x and 2.x by which a LoRA may be weighted, under the names of the web UI's extension.
 *
 * Reference: hako-mikan/sd-webui-lora-block-weight, scripts/lora_block_weight.py (BLOCKID26, BLOCKID17, BLOCKS, ratiodealer, to26)
 */
import type { LoraNetwork } from './lora.ts';

const numbered = (name: string) =>
  Array.from({ length: 12 }, (_, i) => `${name}${String(i).padStart(2, '0')}`);

/** All blocks: the text encoder, LDM's input blocks, the middle block, LDM's output blocks. */
export const BLOCKS: readonly string[] = ['BASE', ...numbered('IN'), 'M00', ...numbered('OUT')];

/** Those with attention, which are all that a LoRA of kohya's scripts changes. */
export const ATTENTION_BLOCKS: readonly string[] = BLOCKS.filter(
  (name) => !['IN00', 'IN03', 'IN06', 'IN09', 'IN10', 'IN11', 'OUT00', 'OUT01', 'OUT02'].includes(name),
);

/** A weight for each of {@link BLOCKS}. */
export type BlockWeights = readonly number[];

/** Weights of the blocks with attention for those that begin and end with the names, of 0 elsewhere; BASE has 1. */
function preset(first: string, last: string): readonly number[] {
  const [from, to] = [ATTENTION_BLOCKS.indexOf(first), ATTENTION_BLOCKS.indexOf(last)];
  return ATTENTION_BLOCKS.map((_, i) => (i === 0 || (i >= from && i <= to) ? 1 : 0));
}

/** The extension's own presets. */
export const BLOCK_PRESETS: Readonly<Record<string, readonly number[]>> = {
  NONE: ATTENTION_BLOCKS.map(() => 0),
  ALL: ATTENTION_BLOCKS.map(() => 1),
  INS: preset('IN01', 'IN04'),
  IND: preset('IN05', 'IN08'),
  INALL: preset('IN01', 'IN08'),
  MIDD: preset('IN05', 'OUT06'),
  OUTD: preset('OUT03', 'OUT06'),
  OUTS: preset('OUT07', 'OUT11'),
  OUTALL: preset('OUT03', 'OUT11'),
  'ALL0.5': ATTENTION_BLOCKS.map(() => 0.5),
};

/** Weights by all blocks from those of the blocks with attention; blocks without are 0. Undefined for another number of them. */
export function allBlocks(weights: readonly number[]): BlockWeights | undefined {
  if (weights.length === BLOCKS.length) return weights;
  if (weights.length !== ATTENTION_BLOCKS.length) return undefined;
  return BLOCKS.map((name) => {
    const at = ATTENTION_BLOCKS.indexOf(name);
    return at < 0 ? 0 : weights[at];
  });
}

/**
 * The block of a module; undefined for one that belongs to none (embeddings, the last layers), which has weight 1.
 *
 * @param path with dots, of the UNet in LDM's names, of the text encoder in any
 */
export function blockOf(network: LoraNetwork, path: string): string | undefined {
  if (network !== 'unet') return /(^|\.)encoder\./.test(path) ? 'BASE' : undefined;
  if (path.startsWith('middle_block.')) return 'M00';
  const [, side, number] = /^(input|output)_blocks\.(\d+)\./.exec(path) ?? [];
  if (side === undefined) return undefined;
  return `${side === 'input' ? 'IN' : 'OUT'}${number.padStart(2, '0')}`;
}
