/** @file Trained weights as constants, and as the public float16 files. */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { type ConstantSource, frozen, type Weights } from '@sgool/autodiff';
import { openSafetensors, readTensor } from 'sgool/networks';
import { type TensorToWrite, writeFileAtomic, writeSafetensors } from 'sgool/node';
import { WEIGHTS_FOLDER } from '../paths.ts';

export type NamedWeights = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array }
>;

/** The file names of diffusers and of transformers. */
export const DIFFUSERS_FILE = 'diffusion_pytorch_model.safetensors';
export const TRANSFORMERS_FILE = 'model.safetensors';

/** Weights in memory as constants of a program. */
export function constantWeights(weights: NamedWeights): Weights {
  const sources = new Map<string, ConstantSource>(
    [...weights].map(([name, { shape, data }]) => [name, { dtype: 'float32', shape, data }]),
  );
  return frozen(sources, 'trained weights');
}

/** Writes weights as float16 safetensors in the form that diffusers and transformers expect (`format: pt`). */
export async function writeWeights(file: string, weights: NamedWeights): Promise<void> {
  const tensors: Record<string, TensorToWrite> = {};
  for (const [name, { shape, data }] of weights) tensors[name] = { dtype: 'F16', shape, data };
  await writeSafetensors(file, tensors, { format: 'pt' });
}

/** The weights in a safetensors file as float32, each name with `prefix` in front. */
export async function readWeights(file: string, prefix = ''): Promise<NamedWeights> {
  const open = await openSafetensors(file);
  const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, { shape }] of open.tensors) {
    weights.set(prefix + name, { shape, data: await readTensor(open, name) });
  }
  return weights;
}

/** The weights of one component of the model folder. */
export function readComponent(component: string, file: string, prefix = ''): Promise<NamedWeights> {
  return readWeights(path.join(WEIGHTS_FOLDER, component, file), prefix);
}

/** Weights below a prefix, without it. */
export function withoutPrefix(weights: NamedWeights, prefix: string): NamedWeights {
  return new Map(
    [...weights].flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value] as const] : [],
    ),
  );
}

/** Writes one component of the model folder: its `config.json` and its weights. */
export function writeComponent(
  component: string,
  config: object,
  file: string,
  weights: NamedWeights,
): Promise<void> {
  return writeFolder(path.join(WEIGHTS_FOLDER, component), config, file, weights);
}

/** Writes a network into a folder of its own: its `config.json` and its weights. */
export async function writeFolder(
  folder: string,
  config: object,
  file: string,
  weights: NamedWeights,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeWeights(path.join(folder, file), weights);
  await writeFileAtomic(path.join(folder, 'config.json'), jsonText(config));
}

/** Writes the scheduler into a model's folder, or an adapter's. */
export async function writeScheduler(folder: string, config: object): Promise<void> {
  await mkdir(path.join(folder, 'scheduler'), { recursive: true });
  await writeFileAtomic(path.join(folder, 'scheduler', 'scheduler_config.json'), jsonText(config));
}

/** The text of a configuration file. */
export const jsonText = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;
