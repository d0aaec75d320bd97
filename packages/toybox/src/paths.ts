/** @file Where files of the repository lie that this package reads and writes. */

import { fileURLToPath } from 'node:url';

const fromHere = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The model folder (`model_index.json`, `unet/`, `vae/`, ...) of the package that carries the weights. */
export const WEIGHTS_FOLDER = fromHere('../../toybox-models/toybox');

/** The model folder of toybox-flow (`model_index.json`, `transformer/`, `vae/`, ...). */
export const FLOW_FOLDER = fromHere('../../toybox-models/toybox-flow');

/** The folder of the motion adapter over it. */
export const MOTION_FOLDER = fromHere('../../toybox-models/toybox-motion');

/** The judge's weights. */
export const JUDGE_FILE = fromHere('../../toybox-models/judge/judge.safetensors');

/** The weights of the judge that counts. */
export const JUDGE_COUNTS_FILE = fromHere('../../toybox-models/judge/judge-counts.safetensors');

/** The prompts of the evaluations, with their truth. */
export const PROMPTS_FILE = fromHere('../../toybox-models/prompts/held-out.json');

/** A prompt suite with its truth. */
export const suiteFile = (name: string) => fromHere(`../../toybox-models/prompts/${name}.jsonl`);

/** Curves and figures of the trainings whose weights are published. */
export const TRAINING_FOLDER = fromHere('../training');

/** The program `sgool`, as it was built. */
export const SGOOL_PROGRAM = fromHere('../../sgool/bin/sgool.js');
