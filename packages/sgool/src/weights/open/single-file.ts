/** @file A model in one file, recognised by its names: Stable Diffusion 1.x and 2.x, and flow models. */
import { openTensorFile } from '../formats/tensor-file.ts';
import { flowModelIn } from '../names/flow-models.ts';
import { openFlowFile } from './flow-file.ts';
import { openLdmFile } from './ldm-file.ts';
import type { ModelFolder } from './model-folder.ts';
import type { SingleFileOptions } from './single-file-options.ts';

/**
 * Opens a model in one file as if it were a model folder. It has no tokenizer and no CLIP for guidance: those of `tokenizers` are the
 * folders of these names beside the file, or in the folder of configurations. The file of a flow model may hold its transformer alone.
 *
 * @throws UserError when the file is broken, or holds another model: XL, a LoRA, a single network
 */
export async function openSingleFile(path: string, options: SingleFileOptions = {}): Promise<ModelFolder> {
  const file = await openTensorFile(path);
  const flow = flowModelIn(file.tensors);
  return flow === undefined ? openLdmFile(file, path, options) : openFlowFile(file, path, flow, options);
}

/** diffusers' class of the pipeline of a model in one file, whatever else may be wrong with the file. */
export async function singleFilePipeline(path: string): Promise<string> {
  const { tensors } = await openTensorFile(path);
  return flowModelIn(tensors)?.model.pipeline ?? 'StableDiffusionPipeline';
}
