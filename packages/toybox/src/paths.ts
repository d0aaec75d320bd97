/** @file Where the trained weights lie: a model folder in the public layout, inside this package. */

import { fileURLToPath } from 'node:url';

/** The model folder (`model_index.json`, `unet/`, `vae/`, ...). */
export const WEIGHTS_FOLDER = fileURLToPath(new URL('../weights', import.meta.url));

/** Curves and figures of the trainings whose weights are published. */
export const TRAINING_FOLDER = fileURLToPath(new URL('../training', import.meta.url));
