/** @file One measurement for each part of Toybox, of the weights as they are committed. */

import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { loadPipeline, type Pipeline, type Settings, UserError } from 'sgool';
import { type Judge, type JudgeName, loadJudge, percent } from 'sgool/evaluate';
import {
  autoencoderConfig,
  clipConfig,
  loadTokenizer,
  networkWeights,
  openComponent,
  transalnetConfig,
} from 'sgool/networks';
import { FLOW_FOLDER, JUDGE_FILE, MOTION_FOLDER, WEIGHTS_FOLDER } from '../paths.ts';
import { type PooledMasks, testScenes } from '../train/scenes.ts';
import { FRAMES } from '../world/moves.ts';
import { movingPrompts, type PromptSetName, promptSet } from '../world/prompt-sets.ts';
import type { PromptSpec } from '../world/prompts.ts';
import { flowSceneFromSeed } from '../world/sample-counted.ts';
import { captionChoice } from './measures/caption-choice.ts';
import { clipQuality } from './measures/clip-quality.ts';
import { type JudgeAccuracy, judgeTally } from './measures/judge-accuracy.ts';
import { movesRight } from './measures/moves-right.ts';
import { reconstructionQuality } from './measures/reconstruction.ts';
import { saliencyQuality } from './measures/saliency.ts';
import { generateAndScore } from './scoring.ts';
import type { Measurement, ThresholdKey } from './threshold-list.ts';

export const PARTS = [
  'autoencoder',
  'judge',
  'counting',
  'clip',
  'generation',
  'clips',
  'flow-autoencoder',
  'flow',
  'transalnet',
  'size',
] as const;
export type Part = (typeof PARTS)[number];

export interface Counts {
  /** Images for autoencoder, judges and TranSalNet. */
  readonly scenes: number;
  /** For each CLIP. */
  readonly questions: number;
  /** Of one thing, and as many of two; for toybox-flow also of counts and of relations. */
  readonly prompts: number;
}

export type Found = Partial<Record<ThresholdKey, Measurement>>;

/** How Toybox's plain generation is measured; toybox-flow's is with its defaults. */
const PLAIN = { steps: 50, sampler: 'ddim' } as const;

const exists = (file: string) =>
  stat(file).then(
    () => true,
    () => false,
  );

const folderOf = (name: string) => openComponent(path.join(WEIGHTS_FOLDER, name));

/** Measures a part. @throws UserError where it is not trained yet */
export const MEASURES: Readonly<Record<Part, (counts: Counts, signal: AbortSignal) => Promise<Found>>> = {
  async autoencoder({ scenes }) {
    const { config, weights } = await folderOf('vae');
    const images = testScenes(scenes);
    const [original, reconstructed] = [judgeTally(), judgeTally()];
    const judge = await loadJudge().catch(ifMissing);
    let next = 0;
    const { psnr } = await reconstructionQuality(
      autoencoderConfig(config),
      networkWeights(weights),
      images,
      async (bytes) => {
        const { scene, image } = images[next++];
        if (!judge) return;
        original.add(scene, await judge.detect(image));
        reconstructed.add(scene, await judge.detect(bytes));
      },
    );
    if (!judge) return { psnr: { value: psnr, of: scenes } };
    await judge.dispose();
    const [before, after] = [original.result().thingAndColour, reconstructed.result().thingAndColour];
    return {
      psnr: { value: psnr, of: scenes },
      judgeDrop: { value: 100 * (before - after), of: scenes },
    };
  },

  async judge({ scenes }) {
    const { thingAndColour, relations } = await judgeAccuracy('judge', testScenes(scenes));
    return {
      judgeThings: { value: thingAndColour, of: scenes },
      judgeRelations: { value: relations, of: scenes },
    };
  },

  async counting({ scenes }) {
    const images = testScenes(scenes, flowSceneFromSeed);
    const { thingAndColour, relations, counts } = await judgeAccuracy('judge-counts', images);
    return {
      countingThings: { value: thingAndColour, of: scenes },
      countingRelations: { value: relations, of: scenes },
      countingCounts: { value: counts, of: scenes },
    };
  },

  async clip({ questions }) {
    const found: Found = {};
    for (const [key, name] of [
      ['clipA', 'clip'],
      ['clipB', 'clip_b'],
      ['clipC', 'clip_c'],
    ] as const) {
      const component = await folderOf(name).catch(ifMissing);
      if (!component) continue;
      // A CLIP without a vocabulary of its own shares the text encoder's, as everywhere else.
      const own = (await exists(path.join(component.dir, 'vocab.json'))) ? name : 'tokenizer';
      const tokenizer = await loadTokenizer(path.join(WEIGHTS_FOLDER, own));
      const right = await captionChoice(
        clipConfig(component.config),
        networkWeights(component.weights),
        tokenizer.encode,
        questions,
      );
      found[key] = { value: right, of: questions };
    }
    return found;
  },

  async generation({ prompts }, signal) {
    const judge = await loadJudge();
    const pipeline = await loadPipeline('toybox');
    try {
      const single = await shareCorrect(pipeline, judge, promptSet('singles', prompts), PLAIN, signal);
      const pair = await shareCorrect(pipeline, judge, promptSet('pairs', prompts), PLAIN, signal);
      return { single: { value: single, of: prompts }, pair: { value: pair, of: prompts } };
    } finally {
      await pipeline.dispose();
      await judge.dispose();
    }
  },

  async clips({ scenes, prompts }, signal) {
    const judge = await loadJudge();
    try {
      const rendered = await movesRight(judge, scenes);
      const found: Found = { judgeMoves: { value: rendered.moves, of: scenes } };
      const pipeline = await loadPipeline('toybox', { motion: 'toybox-motion' });
      try {
        const { frames, moves } = await clipQuality(pipeline, judge, movingPrompts(prompts), signal);
        found.clipFrames = { value: frames, of: FRAMES * prompts };
        found.clipMoves = { value: moves, of: prompts };
      } finally {
        await pipeline.dispose();
      }
      return found;
    } finally {
      await judge.dispose();
    }
  },

  async 'flow-autoencoder'({ scenes }) {
    const { config, weights } = await openComponent(path.join(FLOW_FOLDER, 'vae'));
    const images = testScenes(scenes, flowSceneFromSeed);
    const found = await reconstructionQuality(autoencoderConfig(config), networkWeights(weights), images);
    return { flowPsnr: { value: found.psnr, of: scenes } };
  },

  async flow({ prompts }, signal) {
    const judge = await loadJudge({ name: 'judge-counts' });
    const pipeline = await loadPipeline(FLOW_FOLDER);
    const right = async (set: PromptSetName) => ({
      value: await shareCorrect(pipeline, judge, promptSet(set, prompts), {}, signal),
      of: prompts,
    });
    try {
      return {
        flowSingle: await right('singles'),
        flowPair: await right('pairs'),
        flowCount: await right('counts'),
        flowRelation: await right('relations'),
      };
    } finally {
      await pipeline.dispose();
      await judge.dispose();
    }
  },

  async transalnet({ scenes }) {
    const { config, weights } = await folderOf('transalnet');
    const { cc, nss } = await saliencyQuality(
      transalnetConfig(config),
      networkWeights(weights),
      testScenes(scenes),
    );
    return { cc: { value: cc, of: scenes }, nss: { value: nss, of: scenes } };
  },

  async size() {
    const all = (await weightsIn(WEIGHTS_FOLDER)) + (await sizeOf(JUDGE_FILE));
    const [flow, motion] = [await weightsIn(FLOW_FOLDER), await weightsIn(MOTION_FOLDER)];
    return {
      size: { value: all / 1e6 },
      flowSize: { value: flow / 1e6 },
      motionSize: { value: motion / 1e6 },
    };
  },
};

/** Bytes of all weights in a folder; 0 where there is none. */
async function weightsIn(folder: string): Promise<number> {
  const inside = await readdir(folder, { recursive: true }).catch(() => []);
  let bytes = 0;
  for (const name of inside)
    if (name.endsWith('.safetensors')) bytes += await sizeOf(path.join(folder, name));
  return bytes;
}

/** How well a judge reads images. */
async function judgeAccuracy(name: JudgeName, images: readonly PooledMasks[]): Promise<JudgeAccuracy> {
  const judge = await loadJudge({ name });
  const tally = judgeTally();
  for (const { scene, image } of images) tally.add(scene, await judge.detect(image));
  await judge.dispose();
  const accuracy = tally.result();
  process.stderr.write(
    `${name}: things that are not there: ${percent(accuracy.spurious)} of those that are\n`,
  );
  return accuracy;
}

const sizeOf = async (file: string) => ((await exists(file)) ? (await stat(file)).size : 0);

function ifMissing(error: unknown): undefined {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`${error.message}\n`);
}

/** Share of the prompts whose plain image the judge scores as correct; prompt i starts from the noise of seed i. */
async function shareCorrect(
  pipeline: Pipeline,
  judge: Judge,
  prompts: readonly PromptSpec[],
  settings: Partial<Settings>,
  signal: AbortSignal,
): Promise<number> {
  let correct = 0;
  for (const [seed, spec] of prompts.entries()) {
    const { scores } = await generateAndScore({
      pipeline,
      judge,
      spec,
      method: 'sd',
      seed,
      settings,
      signal,
    });
    if (scores.judge.correct) correct++;
    if ((seed + 1) % 10 === 0) process.stderr.write(`${seed + 1}/${prompts.length}: ${correct} correct\n`);
  }
  return correct / prompts.length;
}
