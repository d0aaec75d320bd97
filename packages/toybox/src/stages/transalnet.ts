/**
 * @file Stage: TranSalNet on simulated fixations (world/fixations.ts), with its authors' loss, 10 KL - 2 CC - SIM - NSS. The running
 * statistics of the batch norms are measured after training, because the averaged weights have statistics of their own.
 *
 * Reference: Lou et al. 2022, "TranSalNet: Towards perceptually relevant visual saliency prediction".
 */

import {
  add,
  compile,
  concat,
  div,
  log,
  max,
  mean,
  min,
  minimum,
  mul,
  reshape,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  trace,
} from '@sgool/autodiff';
import { transalnet, transalnetConfig } from 'sgool/networks';
import { saliencyQuality, writeSaliencySample } from '../evaluate/measures/saliency.ts';
import { batchGenerator, below } from '../train/batch-generator.ts';
import { constantWeights, type NamedWeights, TRANSFORMERS_FILE, writeComponent } from '../train/export.ts';
import { type PooledMasks, TRAINING_POOLS, testScenes, trainingScenesWithMasks } from '../train/scenes.ts';
import type { Stage, TrainResult } from '../train/trainer.ts';
import { TRANSALNET_CONFIG } from './configs.ts';

const BATCH = 16;
const HELD_OUT = 200;
const STATISTIC_BATCHES = 40;
const config = transalnetConfig(TRANSALNET_CONFIG);
const [HEIGHT, WIDTH] = config.image_size;
const AREA = HEIGHT * WIDTH;

export function transalnetStage(): Stage {
  let pool: PooledMasks[] | undefined;
  return {
    name: 'transalnet',
    seed: 61,
    inputs: {
      planes: { shape: [BATCH, 3, HEIGHT, WIDTH] },
      map: { shape: [BATCH, AREA] },
      fixations: { shape: [BATCH, AREA] },
    },
    optimiser: {
      steps: 900,
      learningRate: 2e-3,
      warmup: 100,
      weightDecay: 0.01,
      emaDecay: 0.99,
      maxNorm: 5,
      finalShare: 0.02,
    },
    objective(weights, t) {
      const predicted = reshape(transalnet(config, weights, { training: true })(t.planes), [BATCH, AREA]);
      const parts = saliencyLosses(predicted, t.map, t.fixations);
      const loss = sub(sub(mul(parts.kl, 10), mul(parts.cc, 2)), add(parts.sim, parts.nss));
      return { loss, ...parts };
    },
    batch(generator) {
      pool ??= trainingScenesWithMasks(TRAINING_POOLS.transalnet);
      const planes = new Float32Array(BATCH * 3 * AREA);
      const map = new Float32Array(BATCH * AREA);
      const fixations = new Float32Array(BATCH * AREA);
      for (let b = 0; b < BATCH; b++) {
        const index = below(generator, pool.length);
        writeSaliencySample(pool[index], index, config.image_size, b, { planes, map, fixations });
      }
      return { planes, map, fixations };
    },
    validateEvery: 200,
    async validate(weights) {
      const complete = constantWeights(await withStatistics(weights, 16));
      return saliencyQuality(config, complete, testScenes(HELD_OUT));
    },
  };
}

/** The authors' losses, each a mean over the batch; maps are [batch, area]. */
function saliencyLosses(p: Tensor, g: Tensor, fixations: Tensor) {
  const along = { axes: [1], keepDims: true };
  const eps = 2.2204e-16;
  const share = (x: Tensor) => div(x, sum(x, along));
  const [ps, gs] = [share(p), share(g)];
  const kl = mean(sum(mul(gs, log(add(div(gs, add(ps, 1e-8)), eps))), { axes: [1] }));
  const centred = (x: Tensor) => sub(x, mean(x, along));
  const [pc, gc] = [centred(p), centred(g)];
  const norm = (x: Tensor) => sqrt(add(sum(square(x), along), 1e-8));
  const cc = mean(sum(mul(div(pc, norm(pc)), div(gc, norm(gc))), { axes: [1] }));
  const scaled = (x: Tensor) =>
    share(div(sub(x, min(x, along)), add(sub(max(x, along), min(x, along)), 1e-8)));
  const sim = mean(sum(minimum(scaled(p), scaled(g)), { axes: [1] }));
  const deviation = sqrt(add(div(sum(square(pc), along), AREA - 1), 1e-8));
  const nss = mean(
    div(sum(mul(div(pc, deviation), fixations), { axes: [1] }), sum(fixations, { axes: [1] })),
  );
  return { kl, cc, sim, nss };
}

/** Adds running means and variances, averaged over training images. */
async function withStatistics(weights: NamedWeights, batches: number): Promise<NamedWeights> {
  const names: { name: string; channels: number }[] = [];
  const graph = trace({ planes: { shape: [BATCH, 3, HEIGHT, WIDTH] } }, ({ planes }) => {
    const collected: Tensor[] = [];
    const output = transalnet(config, constantWeights(weights), {
      training: true,
      onBatchStatistics(name, { mean: centre, variance, count }) {
        names.push({ name, channels: centre.shape[0] });
        collected.push(centre, mul(variance, count / (count - 1)));
      },
    })(planes);
    // The output is requested too: otherwise the last layers would be dropped as dead code before their norms are recorded.
    return { statistics: concat(collected, 0), output: mean(output) };
  });
  const program = await compile(graph);
  const total = new Float64Array(names.reduce((n, { channels }) => n + 2 * channels, 0));
  const generator = batchGenerator(977);
  const scenes = trainingScenesWithMasks(TRAINING_POOLS.transalnetStatistics);
  for (let i = 0; i < batches; i++) {
    const planes = new Float32Array(BATCH * 3 * AREA);
    const [map, fixations] = [new Float32Array(BATCH * AREA), new Float32Array(BATCH * AREA)];
    for (let b = 0; b < BATCH; b++) {
      const scene = scenes[below(generator, scenes.length)];
      writeSaliencySample(scene, b, config.image_size, b, { planes, map, fixations });
    }
    const { statistics } = await program.run({ planes });
    for (let k = 0; k < total.length; k++) total[k] += Number(statistics[k]) / batches;
  }
  await program.dispose();
  const complete = new Map(weights);
  let at = 0;
  for (const { name, channels } of names) {
    const take = () => ({ shape: [channels], data: Float32Array.from(total.subarray(at, (at += channels))) });
    complete.set(`${name}.running_mean`, take());
    complete.set(`${name}.running_var`, take());
  }
  return complete;
}

/** Writes `transalnet/`. */
export async function exportTransalnet(result: TrainResult): Promise<void> {
  const complete = await withStatistics(result.weights, STATISTIC_BATCHES);
  await writeComponent('transalnet', TRANSALNET_CONFIG, TRANSFORMERS_FILE, complete);
}
