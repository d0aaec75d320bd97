/** @file Every stage by name, in the order in which they are trained. */

import type { Stage, TrainResult } from '../train/trainer.ts';
import * as autoencoder from './autoencoder.ts';
import { type ClipRecipe, clipStage, exportClip } from './clip.ts';
import { CLIP_A, CLIP_B } from './configs.ts';
import * as decoder from './decoder.ts';
import * as diffusion from './diffusion.ts';
import * as judge from './judge.ts';
import * as transalnet from './transalnet.ts';

export interface Recipe {
  /** What is trained; may read the weights of earlier stages. */
  readonly stage: () => Stage | Promise<Stage>;
  /** Writes the trained weights where the model folder keeps them. */
  readonly exportTo: (result: TrainResult) => Promise<void>;
}

function clipRecipe(recipe: ClipRecipe): Recipe {
  return { stage: () => clipStage(recipe), exportTo: (result) => exportClip(recipe, result) };
}

export const STAGES = {
  autoencoder: { stage: autoencoder.autoencoderStage, exportTo: autoencoder.exportAutoencoder },
  decoder: { stage: decoder.decoderStage, exportTo: decoder.exportDecoder },
  judge: { stage: judge.judgeStage, exportTo: judge.exportJudge },
  clip: clipRecipe({ name: 'clip', component: 'clip', size: CLIP_A, seed: 21, steps: 5000 }),
  clip_b: clipRecipe({ name: 'clip_b', component: 'clip_b', size: CLIP_B, seed: 31, steps: 3000 }),
  diffusion: { stage: diffusion.diffusionStage, exportTo: diffusion.exportDiffusion },
  transalnet: { stage: transalnet.transalnetStage, exportTo: transalnet.exportTransalnet },
} satisfies Record<string, Recipe>;

export type StageName = keyof typeof STAGES;
