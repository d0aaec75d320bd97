/**
 * @file Names in LoRA files: those of kohya-ss's scripts and the three that diffusers has used. The changed module
 * is identified by its path with underscores for dots, which is all that kohya's names keep.
 *
 * Reference: kohya-ss/sd-scripts, networks/lora.py; diffusers, loaders/lora_conversion_utils.py
 */

/** The network that a LoRA changes. */
export type LoraNetwork = 'unet' | 'text_encoder';

/** One tensor of a LoRA. */
export interface LoraName {
  readonly network: LoraNetwork;
  /** Path of the module below its network, dots replaced: `down_blocks_0_attentions_0_proj_in`. */
  readonly module: string;
  readonly part: 'down' | 'up' | 'alpha';
}

/** A module's path as in LoRA names; `text_model.` is left out, because some files lack it. */
export function loraModule(path: string): string {
  return path.replace(/^text_model\./, '').replaceAll('.', '_');
}

const KOHYA = /^lora_(unet|te|te1)_(.+)\.(lora_down\.weight|lora_up\.weight|alpha)$/;
/** Endings of diffusers' names, newest first: with peft, before peft, and of text encoders before peft. */
const DIFFUSERS =
  /^(?:base_model\.model\.)?(?:(unet|text_encoder)\.)?(.+?)\.(?:lora_(A|B)(?:\.default)?\.weight|lora(?:_linear_layer)?\.(down|up)\.weight|(alpha))$/;
/** The oldest: `attn1.processor.to_q_lora.down.weight`. */
const PROCESSOR =
  /^(?:(unet|text_encoder)\.)?(.+?)(?:\.processor)?\.(to_q|to_k|to_v|to_out)_lora\.(down|up)\.weight$/;

/**
 * Parses a name.
 *
 * @returns undefined for any other name, such as one of LoHa, LoKr or DoRA
 */
export function loraName(name: string): LoraName | undefined {
  const kohya = KOHYA.exec(name);
  if (kohya) {
    const [, network, module, ending] = kohya;
    const part = ending === 'alpha' ? 'alpha' : ending === 'lora_up.weight' ? 'up' : 'down';
    return {
      network: network === 'unet' ? 'unet' : 'text_encoder',
      module: module.replace(/^text_model_/, ''),
      part,
    };
  }
  const processor = PROCESSOR.exec(name);
  if (processor) {
    const [, network = 'unet', attention, projection, part] = processor;
    const path = `${attention}.${projection === 'to_out' ? 'to_out.0' : projection}`;
    return { network: network as LoraNetwork, module: loraModule(path), part: part as 'down' | 'up' };
  }
  const diffusers = DIFFUSERS.exec(name);
  if (!diffusers) return undefined;
  const [, network = 'unet', path, letter, word, alpha] = diffusers;
  const part = alpha !== undefined ? 'alpha' : letter === 'A' || word === 'down' ? 'down' : 'up';
  return { network: network as LoraNetwork, module: loraModule(path), part };
}
