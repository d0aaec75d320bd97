/** @file What is said of a model in one file beside its path. */

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
