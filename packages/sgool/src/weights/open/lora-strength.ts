/**
 * @file How strong a LoRA is, as people write it behind its name: `0.8`, `0.8:0.5` for text encoder and UNet, `te=0.8`, `unet=0.5`,
 * `lbw=IND` or `lbw=1,0,...` for its blocks.
 *
 * Reference: AUTOMATIC1111/stable-diffusion-webui, extensions-builtin/Lora/extra_networks_lora.py; for blocks lora-blocks.ts
 */
import { UserError } from '../../errors.ts';
import { readDecimal } from '../../numbers.ts';
import { ATTENTION_BLOCKS, allBlocks, BLOCK_PRESETS, BLOCKS } from '../names/lora-blocks.ts';

/** How strong a LoRA is. */
export interface LoraStrength {
  /** 1 is the strength of its training, 0 is off; negative values and values above 1 are allowed. Default 1. */
  readonly weight?: number;
  /** Another weight for the text encoder. Default: `weight`. */
  readonly textEncoderWeight?: number;
  /**
   * Factors by block: 26 (BASE, IN00 to IN11, M00, OUT00 to OUT11), or 17 for the blocks with attention alone. BASE is the text encoder.
   * Default: all 1.
   */
  readonly blockWeights?: readonly number[];
}

/** Words in front of `=` that say something which is not supported. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  start: 'a LoRA that begins on the way',
  stop: 'a LoRA that ends on the way',
  step: 'a LoRA for some steps',
  lbwe: 'weights by element',
  x: 'a weight for X in lbw',
  dyn: 'a smaller rank (dyn)',
  hr: 'another weight for a second pass',
  lr: 'another weight for a second pass',
};

/** Weights of blocks as text: a preset, or numbers. */
function blocksFrom(text: string, who: string): readonly number[] {
  const name = text.trim();
  if (Object.hasOwn(BLOCK_PRESETS, name)) return BLOCK_PRESETS[name];
  const values = name.split(',').map((each) => each.trim());
  if (values.length === 1) {
    throw new UserError(
      `${who}: unknown preset lbw=${name}; choose one of ${Object.keys(BLOCK_PRESETS).join(', ')}, or give numbers`,
    );
  }
  const wrong = values.find((value) => readDecimal(value) === undefined);
  if (wrong !== undefined) {
    throw new UserError(
      `${who}: lbw takes numbers, got ${wrong || 'nothing'}${/^[RUX]/.test(wrong) ? ' (R, U and X are not supported)' : ''}`,
    );
  }
  const numbers = values.map(Number);
  checkBlocks(numbers, who);
  return numbers;
}

function checkBlocks(weights: readonly number[], who: string): void {
  if (allBlocks(weights) !== undefined && weights.every(Number.isFinite)) return;
  const isXl = [12, 20, 61].includes(weights.length);
  throw new UserError(
    `${who}: block weights are ${ATTENTION_BLOCKS.length} numbers (${ATTENTION_BLOCKS.slice(0, 3).join(', ')}, ...) or ${BLOCKS.length}, got ${weights.length}${isXl ? ', which are for Stable Diffusion XL or Flux' : ''}`,
  );
}

/**
 * Reads what is written behind the name of a LoRA.
 *
 * @param values split at colons
 * @param who names the place in errors
 * @throws UserError where something is not usable, or not supported
 */
export function loraStrength(values: readonly string[], who: string): LoraStrength {
  const named = new Map<string, string>();
  const positional: string[] = [];
  let blocks: string | undefined;
  for (const value of values) {
    const [, key, text = ''] = /^\s*([A-Za-z]\w*)\s*=(.*)$/s.exec(value) ?? [];
    if (key === undefined) {
      // The extension's older form has the blocks without a name.
      if (value.includes(',') || Object.hasOwn(BLOCK_PRESETS, value.trim())) blocks = value;
      else positional.push(value);
    } else if (key === 'lbw' || key === 'w') blocks = text;
    else if (key === 'te' || key === 'unet') named.set(key, text);
    else if (Object.hasOwn(UNSUPPORTED, key)) {
      throw new UserError(`${who}: ${key}= is not supported: ${UNSUPPORTED[key]}`);
    } else throw new UserError(`${who}: unknown ${key}=; te, unet and lbw are supported`);
  }
  const [first, second, ...others] = positional;
  if (others.length > 0) {
    throw new UserError(
      `${who}: too many weights; one, or two for text encoder and UNet, are supported: name:0.8 or name:0.8:0.5`,
    );
  }
  const weightFrom = (text: string) => {
    const value = readDecimal(text);
    if (value !== undefined) return value;
    throw new UserError(`${who}: the weight of a LoRA is a number, got ${text.trim() || 'nothing'}`);
  };
  for (const text of positional) weightFrom(text);
  const text = named.get('te') ?? first ?? (named.has('unet') ? '1' : undefined);
  const unet = named.get('unet') ?? second ?? text;
  const weight = unet === undefined ? undefined : weightFrom(unet);
  const textEncoderWeight = text === undefined ? undefined : weightFrom(text);
  return {
    ...(weight === undefined ? {} : { weight }),
    ...(textEncoderWeight === undefined || textEncoderWeight === weight ? {} : { textEncoderWeight }),
    ...(blocks === undefined ? {} : { blockWeights: blocksFrom(blocks, who) }),
  };
}

/** @throws UserError where a weight is no number, or there is another number of blocks */
export function checkStrength({ weight = 1, textEncoderWeight = weight, blockWeights }: LoraStrength): void {
  for (const each of [weight, textEncoderWeight]) {
    if (!Number.isFinite(each)) throw new UserError(`LoRA: the weight must be a number, got ${each}`);
  }
  if (blockWeights !== undefined) checkBlocks(blockWeights, 'LoRA');
}

/** The way back: `<lora:name:0.8>`, with what else there is to say. */
export function loraTag(name: string, { weight = 1, textEncoderWeight, blockWeights }: LoraStrength): string {
  const weights = textEncoderWeight === undefined ? [weight] : [textEncoderWeight, weight];
  const blocks = blockWeights === undefined ? [] : [`lbw=${blockWeights.join(',')}`];
  return `<lora:${[name, ...weights, ...blocks].join(':')}>`;
}
