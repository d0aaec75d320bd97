/** @file Adding a LoRA to the weights of a model. */
import { UserError } from '../../errors.ts';
import { product } from '../../numbers.ts';
import { joined, partOf, type TensorPart } from '../formats/part-source.ts';
import { type ComputedTensor, sourceOf, type WeightTensor } from '../formats/weight-source.ts';
import { FLOW_MODELS } from '../names/flow-models.ts';
import { T5_MARK } from '../names/infer-flow-config.ts';
import { ldmUNetModule } from '../names/ldm-unet.ts';
import { type LoraNetwork, loraModule } from '../names/lora.ts';
import { allBlocks, BLOCKS, blockOf } from '../names/lora-blocks.ts';
import { loraModules } from '../names/transformer-naming.ts';
import type { Lora, LoraChange } from './lora.ts';
import { type LoraParts, magnitudeAxis, mergedBias, mergedWeight, ruleOf } from './lora-delta.ts';
import { checkStrength, type LoraStrength } from './lora-strength.ts';
import type { ModelComponent } from './model-folder.ts';

/** The plain case, which an engine can compute from the three matrices. */
function lowRankOf(base: WeightTensor, { parts, scale }: LoraChange): ComputedTensor['lowRank'] {
  const { up, down, mid, dora_scale, magnitude } = parts;
  if ((up === undefined || down === undefined || mid) ?? dora_scale ?? magnitude) return undefined;
  return { base, up, down, scale };
}

const shapesOf = (parts: LoraParts) =>
  Object.values(parts)
    .filter(({ shape }) => product(shape) !== 1)
    .map(({ shape }) => `[${shape}]`)
    .join(' and ');

/** Widths of the text that the published families attend to. */
const FAMILIES: Readonly<Record<number, string>> = {
  768: 'Stable Diffusion 1.x',
  1024: 'Stable Diffusion 2.x',
  2048: 'Stable Diffusion XL',
};

/** The family that a LoRA was made for, where the width of its cross attention tells. */
function familyOf(name: string, { down }: LoraParts): string {
  if (down === undefined || !/attn2\.to_[kv]\.weight$/.test(name)) return '';
  const family = FAMILIES[product(down.shape.slice(1))];
  return family === undefined ? '' : ` (${family})`;
}

function changedWeight(
  lora: Lora,
  name: string,
  base: WeightTensor,
  { parts, scale }: LoraChange,
  strength: number,
): WeightTensor {
  const { rule } = ruleOf(parts);
  if (rule === undefined) return base;
  const { shape, path } = base;
  const magnitude = parts.dora_scale ?? parts.magnitude;
  const fits =
    rule.fits(parts, shape) && (magnitude === undefined || magnitudeAxis(magnitude, shape) !== undefined);
  if (!fits) {
    throw new UserError(
      `${lora.path}: it was made for another model${familyOf(name, parts)}: ${name} is [${shape}], the matrices are ${shapesOf(parts)}`,
    );
  }
  const lowRank = lowRankOf(base, { parts, scale: strength * scale });
  return {
    dtype: 'F32',
    shape,
    path,
    byteLength: product(shape) * 4,
    compute: () => mergedWeight(base, rule, parts, scale, strength),
    ...(lowRank === undefined ? {} : { lowRank }),
  };
}

const BIAS_PARTS = ['diff_b', 'up_bias', 'bias'] as const;

function changedBias(
  lora: Lora,
  name: string,
  base: WeightTensor,
  { parts, scale }: LoraChange,
  strength: number,
): WeightTensor {
  const wrong = BIAS_PARTS.map((part) => parts[part]).find(
    (tensor) => tensor !== undefined && product(tensor.shape) !== product(base.shape),
  );
  if (wrong !== undefined) {
    throw new UserError(
      `${lora.path}: it was made for another model: ${name} is [${base.shape}], its change is [${wrong.shape}]`,
    );
  }
  const { shape, path } = base;
  return {
    dtype: 'F32',
    shape,
    path,
    byteLength: product(shape) * 4,
    compute: () => mergedBias(base, parts, scale, strength),
  };
}

/** A module of a network, or several of them that are one in the names of a LoRA. */
interface NamedModule {
  /** As the network's own tensors have them. */
  readonly parts: readonly TensorPart[];
  /** As blocks are counted: for a UNet LDM's path, where it has one. */
  readonly blockPath?: string;
}

/** Modules of a network by the names that a LoRA may have for them: with diffusers' paths, and with those of its training code. */
function modulesOf({ name, config, weights }: ModelComponent): Map<string, NamedModule> {
  const names = [...weights.tensors.keys()];
  const modules = new Set(names.map((tensor) => tensor.replace(/\.(weight|bias)$/, '')));
  const found = new Map<string, NamedModule>();
  const flow = FLOW_MODELS.find(({ transformer }) => transformer === config._class_name);
  if (flow !== undefined) {
    for (const [module, parts] of loraModules(flow.naming, names)) found.set(loraModule(module), { parts });
  }
  const layers = [config.layers_per_block ?? 2].flat();
  for (const module of modules) {
    const parts = [{ name: module }];
    if (name !== UNET) {
      found.set(loraModule(module), { parts, ...(flow === undefined ? { blockPath: module } : {}) });
      continue;
    }
    const ldm = ldmUNetModule(module, { layersPerBlock: Number(layers[0]) }, (block) =>
      modules.has(`up_blocks.${block}.attentions.0.norm`),
    );
    const named = { parts, ...(ldm === undefined ? {} : { blockPath: ldm }) };
    found.set(loraModule(module), named);
    if (ldm !== undefined) found.set(loraModule(ldm), named);
  }
  return found;
}

/** The changed tensor of a joint one: where it is a product of matrices, its rows are those of the second one. */
function partOfChange(changed: WeightTensor, part: TensorPart, base: WeightTensor): WeightTensor {
  const own = partOf(changed, part);
  if (!('compute' in changed && changed.lowRank) || !('compute' in own)) return own;
  const { up, down, scale } = changed.lowRank;
  return { ...own, lowRank: { base, up: partOf(up, part), down, scale } };
}

/**
 * Changes the tensors of one ending in all parts of a module.
 *
 * @param change gives the new tensor for the one that the module has in the names of the LoRA
 * @returns whether the network has them
 */
function changeTensors(
  tensors: Map<string, WeightTensor>,
  parts: readonly TensorPart[],
  ending: 'weight' | 'bias',
  change: (base: WeightTensor, name: string) => WeightTensor,
): boolean {
  const names = parts.map(({ name }) => `${name}.${ending}`);
  const bases = names.flatMap((name) => tensors.get(name) ?? []);
  if (bases.length < names.length) return false;
  const changed = change(joined(bases, parts), names[0]);
  for (const [i, part] of parts.entries()) tensors.set(names[i], partOfChange(changed, part, bases[i]));
  return true;
}

function applyTo(
  component: ModelComponent,
  lora: Lora,
  changes: ReadonlyMap<string, LoraChange>,
  network: LoraNetwork,
  { weight = 1, textEncoderWeight = weight, blockWeights }: LoraStrength,
): ModelComponent {
  const strength = network === 'unet' ? weight : textEncoderWeight;
  const blocks = blockWeights && allBlocks(blockWeights);
  const factorOf = ({ blockPath }: NamedModule) => {
    const block = blocks && blockPath !== undefined ? blockOf(network, blockPath) : undefined;
    return blocks && block !== undefined ? (blocks[BLOCKS.indexOf(block)] ?? 1) : 1;
  };
  const tensors = new Map(component.weights.tensors);
  const modules = modulesOf(component);
  const refuse = (why: string) => {
    const is = lora.what === undefined ? '' : ` (it is ${lora.what})`;
    throw new UserError(`${lora.path}: it was made for another model${is}: ${why}`);
  };
  const left = [...changes.keys()].filter((module) => !modules.has(module));
  const isMotion = (module: string) => module.includes('motion_modules');
  if (left.some(isMotion) && ![...modules.keys()].some(isMotion)) {
    throw new UserError(
      `${lora.path}: it changes motion modules, which this model does not have; give a motion adapter too (option motion, --motion)`,
    );
  }
  if (left.length > 0) {
    refuse(
      `the ${component.name} has no module ${left[0]}${left.length > 1 ? `, nor ${left.length - 1} more` : ''}`,
    );
  }
  for (const [module, { parts, scale }] of changes) {
    const named = modules.get(module) ?? { parts: [] };
    const factor = factorOf(named);
    // As in the extension, what a block weighs is the change before a magnitude is restored (DoRA).
    const change = { parts, scale: scale * factor };
    const [{ name: path } = { name: module }] = named.parts;
    const hasWeight = changeTensors(tensors, named.parts, 'weight', (base, name) =>
      changedWeight(lora, name, base, change, strength),
    );
    if (!hasWeight) refuse(`${path} has no weight`);
    if (!BIAS_PARTS.some((part) => parts[part] !== undefined)) continue;
    const hasBias = changeTensors(tensors, named.parts, 'bias', (base, name) =>
      changedBias(lora, name, base, { parts, scale }, strength * factor),
    );
    if (!hasBias) refuse(`it changes the bias of ${path}, which has none`);
  }
  return { ...component, weights: sourceOf(component.weights.path, tensors) };
}

const UNET = 'unet';
const TRANSFORMER = 'transformer';

/** The component that a LoRA's network is in a model. */
function componentFor(
  components: ReadonlyMap<string, ModelComponent>,
  network: LoraNetwork,
): ModelComponent | undefined {
  if (network === 'unet') return components.get(UNET) ?? components.get(TRANSFORMER);
  if (network !== 't5') return components.get(network);
  return [...components.values()].find(({ weights }) => weights.has(T5_MARK));
}

/**
 * Adds a LoRA to the networks of a model. Tensors that it does not change stay in their files.
 *
 * @throws UserError when the LoRA was made for another kind of model, or is to be weighted by blocks that the model does not have
 */
export function applyLora(
  components: ReadonlyMap<string, ModelComponent>,
  lora: Lora,
  strength: LoraStrength = {},
): Map<string, ModelComponent> {
  checkStrength(strength);
  if (strength.blockWeights !== undefined && components.has(TRANSFORMER)) {
    throw new UserError(
      `${lora.path}: weights by block (lbw) are for Stable Diffusion 1.x and 2.x; this model has other blocks`,
    );
  }
  const result = new Map(components);
  for (const [network, changes] of Object.entries(lora.changes) as [LoraNetwork, Map<string, LoraChange>][]) {
    if (changes.size === 0) continue;
    const component = componentFor(components, network);
    if (component === undefined) {
      throw new UserError(`${lora.path}: it changes the ${network}, which this model does not have`);
    }
    result.set(component.name, applyTo(component, lora, changes, network, strength));
  }
  return result;
}
