/**
 * @file Stages: the judges, on rendered scenes with a little blur, tint and noise, so that they read imperfect images too. Both are the same
 * network. `judge` reads Toybox's world; `judge_counts` starts from it and reads that of toybox-flow, with up to four things of a kind.
 */

import path from 'node:path';
import {
  abs,
  add,
  bceWithLogits,
  compile,
  div,
  logSoftmax,
  mul,
  neg,
  pow,
  reshape,
  sigmoid,
  slice,
  softplus,
  square,
  sub,
  sum,
  type Tensor,
  trace,
} from '@sgool/autodiff';
import {
  COLOURS,
  JUDGE_GRID,
  JUDGE_IMAGE,
  JUDGE_TRAITS,
  judgeNetwork,
  KINDS,
  runJudge,
} from 'sgool/evaluate';
import { judgeTally } from '../evaluate/measures/judge-accuracy.ts';
import { TARGET_SIZES, type Targets, writeTargets } from '../judge/targets.ts';
import { type BatchGenerator, below, normal } from '../train/batch-generator.ts';
import { constantWeights, type NamedWeights, writeWeights } from '../train/export.ts';
import {
  IMAGE,
  PIXELS,
  type PooledMasks,
  type ScenePool,
  testScenes,
  trainingScenesWithMasks,
  writePlanes,
} from '../train/scenes.ts';
import type { Stage, TrainResult } from '../train/trainer.ts';

const BATCH = 24;
const HELD_OUT = 400;
const G = JUDGE_GRID;
const K = KINDS.length;
const C = COLOURS.length;

export interface JudgeRecipe {
  readonly name: 'judge' | 'judge_counts';
  readonly seed: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly pool: ScenePool;
  /** Weights that it starts from; default: random ones. */
  readonly start?: NamedWeights;
}

export function judgeStage({ name, seed, steps, learningRate, pool: source, start }: JudgeRecipe): Stage {
  let pool: PooledMasks[] | undefined;
  return {
    name,
    seed,
    inputs: {
      image: { shape: [BATCH, 3, JUDGE_IMAGE, JUDGE_IMAGE] },
      heat: { shape: [BATCH, K, G, G] },
      present: { shape: [BATCH, G, G, K] },
      colour: { shape: [BATCH, G, G, K, C] },
      traits: { shape: [BATCH, G, G, K, JUDGE_TRAITS] },
    },
    optimiser: {
      steps,
      learningRate,
      weightDecay: 0.01,
      emaDecay: 0.995,
      maxNorm: 5,
      finalShare: 0.02,
    },
    initialise: (weight) => start?.get(weight)?.data ?? (weight === 'heat.bias' ? -4 : undefined),
    objective(weights, t) {
      const out = judgeNetwork(weights, t.image);
      const objects = sum(t.present);
      const heat = div(sum(focal(out.heat, t.heat)), objects);
      const colourLoss = neg(div(sum(mul(logSoftmax(out.colour), t.colour)), objects));
      const part = (x: Tensor, start: number, end: number) => slice(x, [{ axis: 4, start, end }]);
      const mask = reshape(t.present, [BATCH, G, G, K, 1]);
      const box = div(sum(mul(abs(sub(part(out.traits, 0, 4), part(t.traits, 0, 4))), mask)), objects);
      const signs = bceWithLogits(part(out.traits, 4, 6), part(t.traits, 4, 6));
      const sign = div(sum(mul(signs, mask)), objects);
      return { loss: add(add(heat, colourLoss), add(box, sign)), heat, colour: colourLoss, box, sign };
    },
    batch(generator) {
      pool ??= trainingScenesWithMasks(source);
      const image = new Float32Array(BATCH * 3 * PIXELS);
      const targets = Object.fromEntries(
        Object.entries(TARGET_SIZES).map(([name, size]) => [name, new Float32Array(BATCH * size)]),
      );
      for (let b = 0; b < BATCH; b++) {
        const { scene, image: bytes, masks } = pool[below(generator, pool.length)];
        writePlanes(bytes, image, b * 3 * PIXELS, { scale: 1 / 255, shift: 0 });
        disturb(image.subarray(b * 3 * PIXELS, (b + 1) * 3 * PIXELS), generator);
        const own = Object.fromEntries(
          Object.entries(TARGET_SIZES).map(([name, size]) => [
            name,
            targets[name].subarray(b * size, (b + 1) * size),
          ]),
        ) as unknown as Targets;
        writeTargets(scene, masks, own);
      }
      return { image, ...targets };
    },
    validateEvery: 400,
    async validate(weights) {
      const graph = trace({ image: { shape: [1, 3, JUDGE_IMAGE, JUDGE_IMAGE] } }, ({ image }) => ({
        ...judgeNetwork(constantWeights(weights), image),
      }));
      const program = await compile(graph);
      const tally = judgeTally();
      for (const { scene, image } of testScenes(HELD_OUT, source.draw))
        tally.add(scene, await runJudge(program, image));
      await program.dispose();
      return tally.result();
    },
  };
}

/** The focal loss of heat logits against Gaussian targets. Reference: Zhou et al. 2019, "Objects as points", equation 1. */
function focal(logits: Tensor, target: Tensor): Tensor {
  const p = sigmoid(logits);
  // -log p = softplus(-x), -log(1 - p) = softplus(x)
  const isCentre = pow(target, 60);
  const hit = mul(mul(square(sub(1, p)), softplus(neg(logits))), isCentre);
  const miss = mul(mul(square(p), softplus(logits)), pow(sub(1, target), 4));
  return add(hit, miss);
}

/** Blur, brightness, tint and noise, each for some of the images. */
function disturb(planes: Float32Array, generator: BatchGenerator): void {
  if (generator() < 0.4) blur(planes, generator() < 0.5 ? 1 : 2);
  const gain = [0, 1, 2].map(() => 1 + 0.08 * normal(generator));
  const shift = 0.04 * normal(generator);
  const noise = generator() < 0.5 ? 0.06 * generator() : 0;
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < PIXELS; i++) {
      const at = c * PIXELS + i;
      // Uniform noise suffices here and is far cheaper than normal noise.
      planes[at] = planes[at] * gain[c] + shift + (noise === 0 ? 0 : noise * 3.4 * (generator() - 0.5));
    }
  }
}

/** Box blur of side 2 * radius + 1 along rows, then along columns. */
function blur(planes: Float32Array, radius: number): void {
  const line = new Float32Array(IMAGE);
  for (let c = 0; c < 3; c++) {
    for (const [step, stride] of [
      [1, IMAGE],
      [IMAGE, 1],
    ] as const) {
      for (let l = 0; l < IMAGE; l++) {
        const start = c * PIXELS + l * stride;
        for (let i = 0; i < IMAGE; i++) line[i] = planes[start + i * step];
        for (let i = 0; i < IMAGE; i++) {
          let total = 0;
          for (let k = -radius; k <= radius; k++) total += line[Math.min(IMAGE - 1, Math.max(0, i + k))];
          planes[start + i * step] = total / (2 * radius + 1);
        }
      }
    }
  }
}

/** Writes the weights of a judge to its file, which is beside the model folders, since it is no part of a model. */
export const exportJudge = (file: string) => async (result: TrainResult) => {
  await writeWeights(path.resolve(file), result.weights);
};
