/** @file Any file of tensors, by what it begins with; its name does not matter. */

import { withFile } from './file-bytes.ts';
import { openSafetensors } from './safetensors.ts';
import { looksLikeTorch, readTorchFile } from './torch/torch-file.ts';
import { type TensorFile, weightSource } from './weight-source.ts';

/**
 * Opens a file of tensors: safetensors, or what torch saved (.pt, .pth, .bin, .ckpt). Only names, shapes and places are
 * read.
 *
 * @throws UserError with one line when the file is missing, truncated, broken or hostile
 */
export async function openTensorFile(path: string): Promise<TensorFile> {
  const torch = await withFile(path, async (file) =>
    looksLikeTorch(await file.read(0, Math.min(9, file.size))) ? readTorchFile(file) : undefined,
  );
  if (torch) return torch;
  const file = await openSafetensors(path);
  return { path: file.path, tensors: weightSource(file).tensors, metadata: file.metadata };
}
