/**
 * @file LoRA and its relatives (LyCORIS, DoRA, adapters of PEFT): changes that are added to the weights of a model,
 * W + weight · alpha / rank · up · down in the plain case.
 *
 * Reference: Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models, section 4.1; for the others see lora-delta.ts
 */

import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import { product } from '../../numbers.ts';
import { parseJsonObject } from '../../platform/json.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { valuesOf } from '../formats/tensor-views.ts';
import {
  type ComputedTensor,
  sourceOf,
  type TensorFile,
  type WeightTensor,
} from '../formats/weight-source.ts';
import { refuseAs } from '../names/known-files.ts';
import { ldmUNetModule } from '../names/ldm-unet.ts';
import { type LoraNetwork, type LoraPart, loraModule, loraName, otherMethod } from '../names/lora.ts';
import { allBlocks, BLOCKS, blockOf } from '../names/lora-blocks.ts';
import { readConfig } from '../sources/read-config.ts';
import { type LoraParts, magnitudeAxis, mergedBias, mergedWeight, ruleOf } from './lora-delta.ts';
import { checkStrength, type LoraStrength } from './lora-strength.ts';
import type { ModelComponent } from './model-folder.ts';
import { metadataOf, type PeftSettings, peftSettings } from './peft-settings.ts';

/** The change of one module. */
export interface LoraChange {
  readonly parts: LoraParts;
  /** alpha / rank, or what PEFT's configuration says. */
  readonly scale: number;
}

/** An opened LoRA. */
export interface Lora {
  readonly path: string;
  /** By network and by the module's path with underscores. */
  readonly changes: Readonly<Record<LoraNetwork, ReadonlyMap<string, LoraChange>>>;
}

/** A LoRA and its strength. */
export interface LoraChoice extends LoraStrength {
  /** A file, or the folder of an adapter of PEFT or diffusers. */
  readonly path: string;
}

const NETWORKS = ['unet', 'text_encoder'] as const;
/** Names of the weights in an adapter's folder, of PEFT and of diffusers. */
const FOLDER_FILES = [
  'adapter_model.safetensors',
  'adapter_model.bin',
  'pytorch_lora_weights.safetensors',
  'pytorch_lora_weights.bin',
  // The motion LoRAs that diffusers' authors published.
  'diffusion_pytorch_model.safetensors',
];
const ADAPTER_CONFIG = 'adapter_config.json';

/** The files of a LoRA, each with the network that its folder stands for. */
async function filesOf(path: string): Promise<{ path: string; network?: LoraNetwork }[]> {
  if (!(await files.isFolder(path)) || (await files.isFile(path))) return [{ path }];
  const inside = async (dir: string) => {
    for (const name of FOLDER_FILES) {
      if (await files.exists(places.join(dir, name))) return places.join(dir, name);
    }
    return undefined;
  };
  const own = await inside(path);
  if (own !== undefined) return [{ path: own }];
  const found: { path: string; network: LoraNetwork }[] = [];
  for (const network of NETWORKS) {
    const part = await inside(places.join(path, network));
    if (part !== undefined) found.push({ path: part, network });
  }
  if (found.length > 0) return found;
  throw new UserError(
    `${path}: a folder without a LoRA; give the file itself, or a folder with ${FOLDER_FILES[0]} or ${FOLDER_FILES[2]}`,
  );
}

/** The configuration of PEFT for each network of a file, where it has one. */
async function peftConfigs(
  file: TensorFile,
  path: string,
): Promise<(network: LoraNetwork) => PeftSettings | undefined> {
  const beside = places.join(places.dirname(path), ADAPTER_CONFIG);
  const isPeft =
    /^adapter_model\./.test(places.basename(path)) ||
    [...file.tensors.keys()].some((name) => name.startsWith('base_model.model.'));
  if (isPeft && (await files.exists(beside))) {
    const settings = peftSettings(await readConfig(beside), beside);
    return () => settings;
  }
  const text = file.metadata.lora_adapter_metadata;
  if (text === undefined) return () => undefined;
  const owner = `${file.path} (lora_adapter_metadata)`;
  const all = parseJsonObject(text, owner);
  const settings = new Map(
    NETWORKS.flatMap((network) => {
      const config = metadataOf(all, network);
      return config === undefined ? [] : [[network, peftSettings(config, owner)] as const];
    }),
  );
  return (network) => settings.get(network);
}

interface FoundModule {
  readonly network: LoraNetwork;
  readonly module: string;
  readonly path?: string;
  readonly parts: Partial<Record<LoraPart, WeightTensor>>;
}

function modulesOf(file: TensorFile, network: LoraNetwork | undefined): FoundModule[] {
  const modules = new Map<string, FoundModule>();
  for (const [name, tensor] of file.tensors) {
    const found = loraName(name);
    if (found === undefined) {
      const method = otherMethod(name);
      throw new UserError(
        method === undefined
          ? `${file.path}: tensor ${name} is not that of a LoRA; LoRA, LoHa, LoKr, DoRA, IA3 and full differences are supported`
          : `${file.path}: tensor ${name} is that of ${method}, which is not supported; LoRA, LoHa, LoKr, DoRA, IA3 and full differences are`,
      );
    }
    const { module, path, part } = found;
    const place = network ?? found.network;
    const key = `${place} ${module}`;
    const known = modules.get(key) ?? { network: place, module, path, parts: {} };
    if (known.parts[part] !== undefined) {
      throw new UserError(`${file.path}: module ${module} has two tensors for one purpose, one is ${name}`);
    }
    known.parts[part] = tensor;
    modules.set(key, known);
  }
  return [...modules.values()];
}

/** The one number in a module's own `alpha`; NaN where it is not one number. */
function ownAlpha(alpha: WeightTensor | undefined): number | undefined {
  if (alpha === undefined) return undefined;
  const [value] = product(alpha.shape) === 1 ? valuesOf(alpha) : [Number.NaN];
  return Number(value);
}

function changeOf(
  { path: owner }: TensorFile,
  { module, path = module, parts }: FoundModule,
  settings: PeftSettings | undefined,
  needsSettings: boolean,
): LoraChange {
  const { rule, unused, missing } = ruleOf(parts);
  if (missing !== undefined) {
    const what =
      rule?.needs[0] === 'down'
        ? 'has only one of its two matrices'
        : `has no ${missing.replace(',', ' or ')}`;
    throw new UserError(`${owner}: module ${module} ${what}; the file is incomplete`);
  }
  if (unused.length > 0) {
    throw new UserError(
      `${owner}: module ${module} also has ${unused.join(', ')}, which is not supported beside its other tensors`,
    );
  }
  if (settings?.usesDora && rule?.needs[0] === 'down' && parts.magnitude === undefined) {
    throw new UserError(`${owner}: use_dora is true, but module ${module} has no lora_magnitude_vector`);
  }
  const rank = rule?.rank(parts);
  const alpha = ownAlpha(parts.alpha);
  if (rank === undefined) {
    const isKronecker = parts.lokr_w1 !== undefined && settings !== undefined;
    return { parts, scale: isKronecker ? settings.scale(path, 0) : 1 };
  }
  if (alpha === undefined && settings === undefined && needsSettings) {
    throw new UserError(
      `${owner}: an adapter of PEFT without its ${ADAPTER_CONFIG}, which says how strong it is (lora_alpha); put that file beside it`,
    );
  }
  if (!(rank > 0) || (alpha !== undefined && !Number.isFinite(alpha))) {
    throw new UserError(`${owner}: module ${module} has rank ${rank} and alpha ${alpha ?? 'none'}`);
  }
  if (alpha !== undefined) return { parts, scale: alpha / rank };
  return { parts, scale: settings === undefined ? 1 : settings.scale(path, rank) };
}

/**
 * Opens a LoRA for Stable Diffusion 1.x or 2.x, with names of kohya, LyCORIS, ComfyUI, PEFT or diffusers: LoRA (also of
 * convolutions, with or without a core), LoHa, LoKr, IA3, full differences, DoRA.
 *
 * @param path a file, or the folder of an adapter
 * @throws UserError when the file is broken, belongs to another model, or changes weights in another way
 */
export async function openLora(path: string): Promise<Lora> {
  const changes = { unet: new Map<string, LoraChange>(), text_encoder: new Map<string, LoraChange>() };
  const found = await filesOf(path);
  let first: string | undefined;
  for (const { path: each, network: place } of found) {
    const file = await openTensorFile(each);
    first ??= file.path;
    refuseAs('lora', file);
    const settingsOf = await peftConfigs(file, each);
    const needsSettings = [...file.tensors.keys()].some((name) => name.startsWith('base_model.model.'));
    for (const one of modulesOf(file, place)) {
      changes[one.network].set(one.module, changeOf(file, one, settingsOf(one.network), needsSettings));
    }
  }
  return { path: first ?? path, changes };
}

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

/** A module of a network. */
interface NamedModule {
  /** As the network's own tensors have it. */
  readonly path: string;
  /** As blocks are counted: for a UNet LDM's path, where it has one. */
  readonly blockPath?: string;
}

/** Modules of a network by the names that a LoRA may have for them: with diffusers' paths, for a UNet also with LDM's. */
function modulePaths({ name, config, weights }: ModelComponent): Map<string, NamedModule> {
  const modules = new Set<string>();
  for (const tensor of weights.tensors.keys()) modules.add(tensor.replace(/\.(weight|bias)$/, ''));
  const found = new Map<string, NamedModule>();
  const layers = [config.layers_per_block ?? 2].flat();
  for (const module of modules) {
    if (name !== 'unet') {
      found.set(loraModule(module), { path: module, blockPath: module });
      continue;
    }
    const ldm = ldmUNetModule(module, { layersPerBlock: Number(layers[0]) }, (block) =>
      modules.has(`up_blocks.${block}.attentions.0.norm`),
    );
    const named = { path: module, ...(ldm === undefined ? {} : { blockPath: ldm }) };
    found.set(loraModule(module), named);
    if (ldm !== undefined) found.set(loraModule(ldm), named);
  }
  return found;
}

function applyTo(
  component: ModelComponent,
  lora: Lora,
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
  const paths = modulePaths(component);
  const changes = lora.changes[network];
  const left = [...changes.keys()].filter((module) => !paths.has(module));
  if (
    left.some((module) => module.includes('motion_modules')) &&
    ![...paths.keys()].some((module) => module.includes('motion_modules'))
  ) {
    throw new UserError(
      `${lora.path}: it changes motion modules, which this model does not have; give a motion adapter too (option motion, --motion)`,
    );
  }
  if (left.length > 0) {
    throw new UserError(
      `${lora.path}: it was made for another model: the ${network} has no module ${left[0]}${left.length > 1 ? `, nor ${left.length - 1} more` : ''}`,
    );
  }
  for (const [module, { parts, scale }] of changes) {
    const named = paths.get(module) ?? { path: module };
    const { path } = named;
    const factor = factorOf(named);
    // As in the extension, what a block weighs is the change before a magnitude is restored (DoRA).
    const change = { parts, scale: scale * factor };
    const [weightName, biasName] = [`${path}.weight`, `${path}.bias`];
    const base = tensors.get(weightName);
    if (base === undefined) {
      throw new UserError(`${lora.path}: it was made for another model: ${path} has no weight`);
    }
    tensors.set(weightName, changedWeight(lora, weightName, base, change, strength));
    if (!BIAS_PARTS.some((part) => change.parts[part] !== undefined)) continue;
    const bias = tensors.get(biasName);
    if (bias === undefined) {
      throw new UserError(
        `${lora.path}: it was made for another model: it changes the bias of ${path}, which has none`,
      );
    }
    tensors.set(biasName, changedBias(lora, biasName, bias, { parts, scale }, strength * factor));
  }
  return { ...component, weights: sourceOf(component.weights.path, tensors) };
}

/**
 * Adds a LoRA to the networks of a model. Tensors that it does not change stay in their files.
 *
 * @throws UserError when the LoRA was made for another kind of model
 */
export function applyLora(
  components: ReadonlyMap<string, ModelComponent>,
  lora: Lora,
  strength: LoraStrength = {},
): Map<string, ModelComponent> {
  checkStrength(strength);
  const result = new Map(components);
  for (const network of NETWORKS) {
    if (lora.changes[network].size === 0) continue;
    const component = components.get(network);
    if (component === undefined) {
      throw new UserError(`${lora.path}: it changes the ${network}, which this model does not have`);
    }
    result.set(network, applyTo(component, lora, network, strength));
  }
  return result;
}
