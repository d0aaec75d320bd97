/** @file Every stage by name, in the order in which they are trained. */

import path from 'node:path';
import { FLOW_FOLDER, JUDGE_COUNTS_FILE, JUDGE_FILE, WEIGHTS_FOLDER } from '../paths.ts';
import {
  DIFFUSERS_FILE,
  type NamedWeights,
  readComponent,
  readWeights,
  TRANSFORMERS_FILE,
} from '../train/export.ts';
import { TRAINING_POOLS } from '../train/scenes.ts';
import type { Stage, TrainResult } from '../train/trainer.ts';
import * as autoencoder from './autoencoder.ts';
import { type ClipRecipe, clipStage, exportClip } from './clip.ts';
import { CLIP_A, CLIP_B, CLIP_C } from './configs.ts';
import * as decoder from './decoder.ts';
import * as diffusion from './diffusion.ts';
import * as flow from './flow.ts';
import * as flowAutoencoder from './flow-autoencoder.ts';
import { exportJudge, type JudgeRecipe, judgeStage } from './judge.ts';
import * as motion from './motion.ts';
import * as transalnet from './transalnet.ts';

export interface Recipe {
  /** What is trained; may read the weights of earlier stages. */
  readonly stage: () => Stage | Promise<Stage>;
  /** Writes the trained weights where the model folder keeps them. */
  readonly exportTo: (result: TrainResult) => Promise<void>;
  /** Reads back what `exportTo` wrote. */
  readonly stored: () => Promise<NamedWeights>;
}

function clipRecipe(recipe: ClipRecipe): Recipe {
  return {
    stage: () => clipStage(recipe),
    exportTo: (result) => exportClip(recipe, result),
    stored: () => readComponent(recipe.name, TRANSFORMERS_FILE),
  };
}

function decoderRecipe(recipe: decoder.DecoderRecipe): Recipe {
  return {
    stage: () => decoder.decoderStage(recipe),
    exportTo: (result) => decoder.exportDecoder(recipe, result),
    stored: () => decoder.storedDecoder(recipe),
  };
}

function judgeRecipe(file: string, recipe: Omit<JudgeRecipe, 'start'>, startFile?: string): Recipe {
  return {
    stage: async () => judgeStage({ ...recipe, start: startFile ? await readWeights(startFile) : undefined }),
    exportTo: exportJudge(file),
    stored: () => readWeights(file),
  };
}

const storedVae = () => readComponent('vae', DIFFUSERS_FILE);

/** Steps are those of the recipe; `training/<stage>.json` says how many steps the published weights have. */
export const STAGES = {
  autoencoder: {
    stage: autoencoder.autoencoderStage,
    exportTo: autoencoder.exportAutoencoder,
    stored: storedVae,
  },
  decoder: decoderRecipe({
    name: 'decoder',
    folder: path.join(WEIGHTS_FOLDER, 'vae'),
    seed: 12,
    pool: TRAINING_POOLS.decoder,
    optimiser: { steps: 1600, learningRate: 1e-3 },
  }),
  judge: judgeRecipe(JUDGE_FILE, {
    name: 'judge',
    seed: 71,
    steps: 1600,
    learningRate: 2e-3,
    pool: TRAINING_POOLS.judge,
  }),
  judge_counts: judgeRecipe(
    JUDGE_COUNTS_FILE,
    { name: 'judge_counts', seed: 73, steps: 700, learningRate: 1e-3, pool: TRAINING_POOLS.judge_counts },
    JUDGE_FILE,
  ),
  clip: clipRecipe({ name: 'clip', size: CLIP_A, seed: 21, steps: 8_500 }),
  clip_b: clipRecipe({ name: 'clip_b', size: CLIP_B, seed: 31, steps: 14_000 }),
  clip_c: clipRecipe({ name: 'clip_c', size: CLIP_C, seed: 41, steps: 11_000 }),
  diffusion: {
    stage: diffusion.diffusionStage,
    exportTo: diffusion.exportDiffusion,
    stored: diffusion.storedDiffusion,
  },
  flow_autoencoder: {
    stage: flowAutoencoder.flowAutoencoderStage,
    exportTo: flowAutoencoder.exportFlowAutoencoder,
    stored: flowAutoencoder.storedFlowAutoencoder,
  },
  flow_decoder: decoderRecipe({
    name: 'flow_decoder',
    folder: path.join(FLOW_FOLDER, 'vae'),
    seed: 52,
    pool: TRAINING_POOLS.flow_decoder,
    optimiser: {
      steps: 2000,
      learningRate: 1e-3,
      muon: { select: flowAutoencoder.isKernel, learningRate: 0.02 },
    },
    edgeWeight: flowAutoencoder.EDGE_WEIGHT,
  }),
  flow: { stage: flow.flowStage, exportTo: flow.exportFlow, stored: flow.storedFlow },
  motion: { stage: motion.motionStage, exportTo: motion.exportMotion, stored: motion.storedMotion },
  transalnet: {
    stage: transalnet.transalnetStage,
    exportTo: transalnet.exportTransalnet,
    stored: () => readComponent('transalnet', TRANSFORMERS_FILE),
  },
} satisfies Record<string, Recipe>;

export type StageName = keyof typeof STAGES;
