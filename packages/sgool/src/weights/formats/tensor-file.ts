/** @file Any file of tensors, recognised by its first bytes; its name does not matter. */

import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import type { FileBytes } from '../../platform/platform.ts';
import { looksLikeGguf, readGguf } from './gguf.ts';
import { readSafetensors } from './safetensors.ts';
import { withScales } from './scaled-float8.ts';
import { looksLikeTorch, readTorchFile } from './torch/torch-file.ts';
import { type TensorFile, weightSource } from './weight-source.ts';

async function readAny(file: FileBytes): Promise<TensorFile> {
  const first = await file.read(0, Math.min(16, file.size));
  if (looksLikeTorch(first)) return readTorchFile(file);
  if (looksLikeGguf(first)) return readGguf(file);
  const { path, tensors, metadata } = await readSafetensors(file);
  return { path, tensors: weightSource({ path, tensors }).tensors, metadata };
}

/** Reads names, shapes and positions of an open file. See `openTensorFile`. */
export async function readTensorFile(file: FileBytes): Promise<TensorFile> {
  const found = await readAny(file);
  if (found.tensors.size === 0) {
    throw new UserError(`${file.path}: it holds no tensors; save or download it again`);
  }
  return withScales(found);
}

/** Says which files of weights a folder holds that was given in place of one. */
async function refuseFolder(path: string): Promise<void> {
  if ((await files.isFile(path)) || !(await files.isFolder(path))) return;
  // A browser takes every place that is not a file for a folder, and cannot list it.
  const inside = await files.list(path);
  if (inside === undefined) return;
  const weights = inside.filter((name) => /\.(safetensors|ckpt|pth?|bin|gguf)$/i.test(name)).slice(0, 3);
  const such =
    weights.length === 0 ? '' : `, such as ${weights.map((name) => places.join(path, name)).join(', ')}`;
  throw new UserError(`${path}: a folder, where a file of weights is expected; give the file${such}`);
}

/**
 * Opens a file of tensors: safetensors, what torch saved (.pt, .pth, .bin, .ckpt), or GGUF. Only names, shapes and positions
 * are read. Weights in 8-bit floats with a scale beside them get it.
 *
 * @throws UserError with one line when the file is missing, truncated, broken or hostile, or is something else
 */
export async function openTensorFile(path: string): Promise<TensorFile> {
  await refuseFolder(path);
  return files.withFile(path, readTensorFile);
}
