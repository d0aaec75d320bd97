/** @file A model in one file, recognised by its names: Stable Diffusion 1.x and 2.x, and flow models. */
import { openTensorFile } from '../formats/tensor-file.ts';
import { flowModelIn } from '../names/flow-models.ts';
import { openFlowFile } from './flow-file.ts';
import { openLdmFile } from './ldm-file.ts';
import type { ModelFolder } from './model-folder.ts';

/** What a UNet predicts: the noise (`epsilon`) or v (Salimans and Ho 2022). */
export type Prediction = 'epsilon' | 'v_prediction';

/** How a single-file checkpoint is opened. */
export interface SingleFileOptions {
  /** Use the EMA weights (`model_ema.`) where the file has both. Default true: they give better images. */
  readonly ema?: boolean;
  /**
   * What the UNet predicts. By default: what a `.yaml` beside the file says, then the file's metadata; else `epsilon` for 1.x,
   * and for 2.x a guess from the weights, since 2.x models of both kinds look alike. Flow models predict their velocity.
   */
  readonly predictionType?: Prediction;
  /**
   * A folder in the diffusers layout, of which only configurations are read, for models whose shapes do not determine them:
   * `<network>/config.json`, `scheduler/scheduler_config.json`, `tokenizer/`; what is missing there is inferred from the file.
   */
  readonly config?: string;
  /** An autoencoder that replaces the file's own, which may then be missing. */
  readonly vae?: string;
}

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
