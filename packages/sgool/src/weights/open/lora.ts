/**
 * @file LoRA: changes of low rank that are added to the weights of a model, W + weight · alpha / rank · up · down.
 *
 * Reference: Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models, section 4.1
 */

import { UserError } from '../../errors.ts';
import { product } from '../../numbers.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { float32Of, valuesOf } from '../formats/tensor-views.ts';
import {
  type ComputedTensor,
  sourceOf,
  type TensorFile,
  type WeightTensor,
} from '../formats/weight-source.ts';
import { type LoraNetwork, loraModule, loraName } from '../names/lora.ts';
import type { ModelComponent } from './model-folder.ts';

/** The change of one module. */
interface LoraChange {
  readonly down: WeightTensor;
  readonly up: WeightTensor;
  /** alpha / rank. */
  readonly scale: number;
}

/** An opened LoRA. */
export interface Lora {
  readonly path: string;
  /** By network and by the module's path with underscores. */
  readonly changes: Readonly<Record<LoraNetwork, ReadonlyMap<string, LoraChange>>>;
}

/** A LoRA and its strength. */
export interface LoraChoice {
  readonly path: string;
  /** 1 is the strength of its training, 0 is off; negative values and values above 1 are allowed. Default 1. */
  readonly weight?: number;
}

/** Metadata of diffusers with peft: `unet.lora_alpha` and the like. */
function adapterSettings({ metadata }: TensorFile): Readonly<Record<string, unknown>> {
  try {
    const settings: unknown = JSON.parse(metadata.lora_adapter_metadata ?? '{}');
    return typeof settings === 'object' && settings !== null ? (settings as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** alpha of one module, or undefined where the file has none (then the scale is 1). */
function alphaOf(file: TensorFile, network: LoraNetwork, module: string, own: WeightTensor | undefined) {
  if (own !== undefined) {
    const [alpha] = product(own.shape) === 1 ? valuesOf(own) : [Number.NaN];
    return Number(alpha);
  }
  const settings = adapterSettings(file);
  const patterns = settings[`${network}.alpha_pattern`];
  const special = Object.entries((patterns as Record<string, unknown>) ?? {}).find(
    ([path]) => loraModule(path) === module,
  );
  const alpha = special?.[1] ?? settings[`${network}.lora_alpha`];
  return typeof alpha === 'number' ? alpha : undefined;
}

/**
 * Opens a LoRA for Stable Diffusion 1.x or 2.x, with kohya's or diffusers' names.
 *
 * @throws UserError when the file is broken, or changes weights in another way (LoHa, LoKr, DoRA)
 */
export async function openLora(path: string): Promise<Lora> {
  const file = await openTensorFile(path);
  const parts = new Map<string, { network: LoraNetwork; module: string } & Record<string, unknown>>();
  for (const [name, tensor] of file.tensors) {
    const found = loraName(name);
    if (found === undefined) {
      throw new UserError(
        `${file.path}: tensor ${name} is not that of a LoRA; LoHa, LoKr and DoRA are not supported`,
      );
    }
    const { network, module, part } = found;
    const key = `${network} ${module}`;
    const known = parts.get(key) ?? { network, module };
    parts.set(key, { ...known, [part]: tensor });
  }
  const changes = { unet: new Map<string, LoraChange>(), text_encoder: new Map<string, LoraChange>() };
  for (const { network, module, down, up, alpha } of parts.values()) {
    const one = { down, up } as { down?: WeightTensor; up?: WeightTensor };
    if (one.down === undefined || one.up === undefined) {
      throw new UserError(`${file.path}: module ${module} has only one of its two matrices`);
    }
    const [rank] = one.down.shape;
    const stated = alphaOf(file, network, module, alpha as WeightTensor | undefined) ?? rank;
    if (!Number.isFinite(stated) || !(rank > 0)) {
      throw new UserError(`${file.path}: module ${module} has rank ${rank} and alpha ${stated}`);
    }
    changes[network].set(module, { down: one.down, up: one.up, scale: stated / rank });
  }
  return { path: file.path, changes };
}

/** up · down, added to the base in float32. */
function merge(base: WeightTensor, { up, down, scale }: LoraChange): Float32Array {
  const merged = Float32Array.from(float32Of(base));
  const left = float32Of(up);
  const right = float32Of(down);
  const [rank] = down.shape;
  const height = base.shape[0];
  const width = merged.length / height;
  for (let row = 0; row < height; row++) {
    const target = merged.subarray(row * width, (row + 1) * width);
    for (let k = 0; k < rank; k++) {
      const factor = scale * left[row * rank + k];
      const line = right.subarray(k * width, (k + 1) * width);
      for (let i = 0; i < width; i++) target[i] += factor * line[i];
    }
  }
  return merged;
}

function changed(lora: Lora, name: string, base: WeightTensor, change: LoraChange): ComputedTensor {
  const { up, down } = change;
  const [height] = base.shape;
  const [rank] = down.shape;
  const fits =
    up.shape[0] === height &&
    product(up.shape) === height * rank &&
    product(down.shape) * height === product(base.shape) * rank;
  if (!fits) {
    throw new UserError(
      `${lora.path}: it was made for another model: ${name} is [${base.shape}], the matrices are [${up.shape}] and [${down.shape}]`,
    );
  }
  const { shape, path } = base;
  return {
    dtype: 'F32',
    shape,
    path,
    byteLength: product(shape) * 4,
    compute: () => merge(base, change),
    lowRank: { base, ...change },
  };
}

/**
 * Adds a LoRA to the networks of a model. Tensors that it does not change stay in their files.
 *
 * @throws UserError when the LoRA was made for another kind of model
 */
export function applyLora(
  components: ReadonlyMap<string, ModelComponent>,
  lora: Lora,
  weight = 1,
): Map<string, ModelComponent> {
  if (!Number.isFinite(weight)) throw new UserError(`LoRA: the weight must be a number, got ${weight}`);
  const result = new Map(components);
  for (const network of ['unet', 'text_encoder'] as const) {
    const component = components.get(network);
    const changes = lora.changes[network];
    if (component === undefined || changes.size === 0) continue;
    const tensors = new Map(component.weights.tensors);
    const left = new Set(changes.keys());
    for (const [name, tensor] of component.weights.tensors) {
      const module = name.endsWith('.weight') ? loraModule(name.slice(0, -'.weight'.length)) : '';
      const change = changes.get(module);
      if (change === undefined) continue;
      tensors.set(name, changed(lora, name, tensor, { ...change, scale: weight * change.scale }));
      left.delete(module);
    }
    if (left.size > 0) {
      const [first] = left;
      throw new UserError(
        `${lora.path}: it was made for another model: the ${network} has no module ${first}${left.size > 1 ? `, nor ${left.size - 1} more` : ''}`,
      );
    }
    result.set(network, { ...component, weights: sourceOf(component.weights.path, tensors) });
  }
  return result;
}
