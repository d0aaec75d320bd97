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
import type { TensorFile, WeightTensor } from '../formats/weight-source.ts';
import { describeFile, refuseAs } from '../names/known-files.ts';
import { type LoraNetwork, type LoraPart, loraName, otherMethod } from '../names/lora.ts';
import { readConfig } from '../sources/read-config.ts';
import { type LoraParts, ruleOf } from './lora-delta.ts';
import type { LoraStrength } from './lora-strength.ts';
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
  /** What its names say that it is, such as `a LoRA for Flux`. */
  readonly what?: string;
  /** By network and by the module's path with underscores. */
  readonly changes: Readonly<Partial<Record<LoraNetwork, ReadonlyMap<string, LoraChange>>>>;
}

/** A LoRA and its strength. */
export interface LoraChoice extends LoraStrength {
  /** A file, or the folder of an adapter of PEFT or diffusers. */
  readonly path: string;
}

/** Folders of a model's networks, and the keys of diffusers' metadata, by the network that they stand for. */
const FOLDERS: readonly (readonly [folder: string, network: LoraNetwork])[] = [
  ['unet', 'unet'],
  ['transformer', 'unet'],
  ['text_encoder', 'text_encoder'],
  ['text_encoder_2', 'text_encoder_2'],
  ['text_encoder_3', 't5'],
];
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
  for (const [folder, network] of FOLDERS) {
    const part = await inside(places.join(path, folder));
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
    FOLDERS.flatMap(([folder, network]) => {
      const config = metadataOf(all, folder);
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
 * Opens a LoRA for a supported model, with names of kohya, LyCORIS, ComfyUI, XLabs, PEFT or diffusers: LoRA (also of convolutions, with
 * or without a core), LoHa, LoKr, IA3, full differences, DoRA.
 *
 * @param path a file, or the folder of an adapter
 * @throws UserError when the file is broken, belongs to another model, or changes weights in another way
 */
export async function openLora(path: string): Promise<Lora> {
  const changes: Partial<Record<LoraNetwork, Map<string, LoraChange>>> = {};
  const found = await filesOf(path);
  let first: string | undefined;
  let what: string | undefined;
  for (const { path: each, network: place } of found) {
    const file = await openTensorFile(each);
    first ??= file.path;
    refuseAs('lora', file);
    what ??= describeFile(file)?.what;
    const settingsOf = await peftConfigs(file, each);
    const needsSettings = [...file.tensors.keys()].some((name) => name.startsWith('base_model.model.'));
    for (const one of modulesOf(file, place)) {
      const own = (changes[one.network] ??= new Map());
      own.set(one.module, changeOf(file, one, settingsOf(one.network), needsSettings));
    }
  }
  return { path: first ?? path, ...(what === undefined ? {} : { what }), changes };
}
