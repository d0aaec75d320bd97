/** @file Any file of tensors, recognised by its first bytes; its name does not matter. */

import { files } from '#platform';
import type { FileBytes } from '../../platform/platform.ts';
import { readSafetensors } from './safetensors.ts';
import { looksLikeTorch, readTorchFile } from './torch/torch-file.ts';
import { type TensorFile, weightSource } from './weight-source.ts';

/** Reads names, shapes and positions of an open file. See `openTensorFile`. */
export async function readTensorFile(file: FileBytes): Promise<TensorFile> {
  if (looksLikeTorch(await file.read(0, Math.min(9, file.size)))) return readTorchFile(file);
  const { path, tensors, metadata } = await readSafetensors(file);
  return { path, tensors: weightSource({ path, tensors }).tensors, metadata };
}

/**
 * Opens a file of tensors: safetensors, or what torch saved (.pt, .pth, .bin, .ckpt). Only names, shapes and positions
 * are read.
 *
 * @throws UserError with one line when the file is missing, truncated, broken or hostile
 */
export function openTensorFile(path: string): Promise<TensorFile> {
  return files.withFile(path, readTensorFile);
}
