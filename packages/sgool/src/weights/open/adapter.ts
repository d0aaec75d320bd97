/**
 * @file Adapters of sgool: what a fine-tuning changed of a network's weights, with its settings. The tensors are full differences in
 * the naming of LyCORIS (`lora_unet_<module>.diff`), which other programs read as well; the metadata say from which weights they were
 * made.
 */
import { UserError } from '../../errors.ts';
import { parseJsonObject } from '../../platform/json.ts';
import { encodeFloat16 } from '../formats/float16.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { float32Of } from '../formats/tensor-views.ts';
import type { WeightTensor } from '../formats/weight-source.ts';
import { applyLora } from './apply-lora.ts';
import { type Lora, openLora } from './lora.ts';
import type { ModelComponent } from './model-folder.ts';

/** Key of the metadata. */
export const ADAPTER_KEY = 'sgool_adapter';
export const ADAPTER_FORMAT = 1;

/** What an adapter says of itself. */
export interface AdapterInfo {
  /** What made it. */
  readonly method: string;
  /** Steps of the fine-tuning. */
  readonly step: number;
  /** What it was made from: the model as its user named it, the weights that were trained, and their fingerprint. */
  readonly base: {
    readonly model: string;
    readonly weights: readonly string[];
    readonly fingerprint: string;
  };
  /** The request and all settings, as the method writes them. */
  readonly task: Readonly<Record<string, unknown>>;
  /** Version of sgool. */
  readonly sgool: string;
}

/** How much a weight was changed. */
export interface WeightChange {
  readonly shape: readonly number[];
  /** New values minus old ones. */
  readonly data: Float32Array;
}

/** An opened adapter. */
export interface Adapter {
  readonly path: string;
  readonly info: AdapterInfo;
  readonly lora: Lora;
}

/**
 * Opens an adapter. No weight is read.
 *
 * @throws UserError where the file is broken, or no adapter of sgool
 */
export async function openAdapter(path: string): Promise<Adapter> {
  const file = await openTensorFile(path);
  const text = file.metadata[ADAPTER_KEY];
  if (text === undefined) {
    throw new UserError(`${path}: is no adapter of sgool; a LoRA or the like is given as a LoRA`);
  }
  return {
    path,
    info: infoOf(parseJsonObject(text, `${path} (${ADAPTER_KEY})`), path),
    lora: await openLora(path),
  };
}

function infoOf(content: Readonly<Record<string, unknown>>, path: string): AdapterInfo {
  const { format, method, step, base, task, sgool } = content;
  if (format !== ADAPTER_FORMAT) {
    throw new UserError(
      `${path}: is an adapter of format ${String(format)}; this version of sgool reads format ${ADAPTER_FORMAT}`,
    );
  }
  const { model, weights, fingerprint } = (base ?? {}) as Partial<Record<keyof AdapterInfo['base'], unknown>>;
  const isWhole =
    [method, sgool, model, fingerprint].every((one) => typeof one === 'string') &&
    typeof step === 'number' &&
    Array.isArray(weights) &&
    weights.length > 0 &&
    weights.every((name) => typeof name === 'string') &&
    typeof task === 'object' &&
    task !== null;
  if (!isWhole) throw new UserError(`${path}: its ${ADAPTER_KEY} is incomplete; make the adapter anew`);
  return { method, step, base, task, sgool } as AdapterInfo;
}

/**
 * Names the numbers of some weights: SHA-256 of their names, shapes and values in float16, so that files in full and in half
 * precision of one model have the same.
 */
export async function weightsFingerprint(weights: ReadonlyMap<string, WeightTensor>): Promise<string> {
  const parts: Uint8Array[] = [];
  for (const name of [...weights.keys()].sort()) {
    const tensor = weights.get(name) as WeightTensor;
    parts.push(new TextEncoder().encode(`${name} ${tensor.shape.join('x')}\n`));
    parts.push(new Uint8Array(encodeFloat16(float32Of(tensor)).buffer));
  }
  const all = new Uint8Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Adds an adapter to the networks of a model. Tensors that it does not change stay in their files.
 *
 * @throws UserError where it was made from other weights
 */
export async function applyAdapter(
  components: ReadonlyMap<string, ModelComponent>,
  { path, info, lora }: Adapter,
): Promise<Map<string, ModelComponent>> {
  const { model, weights, fingerprint } = info.base;
  const tensors = components.get('unet')?.weights.tensors;
  const found = new Map(
    weights.flatMap((name) => {
      const tensor = tensors?.get(name);
      return tensor === undefined ? [] : [[name, tensor] as const];
    }),
  );
  const isSame = found.size === weights.length && (await weightsFingerprint(found)) === fingerprint;
  if (isSame) return applyLora(components, lora);
  throw new UserError(
    `${path}: was made for another model (${model}); its weights are not those that the adapter was trained from`,
  );
}
