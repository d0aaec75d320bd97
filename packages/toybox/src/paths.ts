/** @file Where trained weights go: the package that carries them and nothing else. */

import { fileURLToPath } from 'node:url';

/** The model folder (`model_index.json`, `unet/`, `vae/`, ...). */
export const WEIGHTS_FOLDER = fileURLToPath(new URL('../../toybox-models/toybox', import.meta.url));

/** The judge's weights. */
export const JUDGE_FILE = fileURLToPath(
  new URL('../../toybox-models/judge/judge.safetensors', import.meta.url),
);

/** Curves and figures of the trainings whose weights are published. */
export const TRAINING_FOLDER = fileURLToPath(new URL('../training', import.meta.url));
