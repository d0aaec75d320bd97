/**
 * @file Stage: TranSalNet on simulated fixations (world/fixations.ts), with the loss of its authors,
 * 10 KL - 2 CC - SIM - NSS. Running statistics of the batch norms are measured after training, with the averaged
 * weights, instead of being carried along: the averaged weights have statistics of their own.
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
import { letterboxPlanes, planesFromImage } from 'sgool/image';
import { transalnet, transalnetConfig } from 'sgool/networks';
import { constantWeights, type NamedWeights, writeComponent } from '../train/export.ts';
import { below, createRng } from '../train/rng.ts';
import { IMAGE, type PooledMasks, testScenes, trainingScenesWithMasks } from '../train/scenes.ts';
import type { Stage, TrainResult } from '../train/trainer.ts';
import { simulateFixations, createRng as worldRng } from '../world/index.ts';
import { TRANSALNET_CONFIG } from './configs.ts';

const BATCH = 16;
const POOL = 3000;
const HELD_OUT = 200;
const STATISTIC_BATCHES = 40;
const config = transalnetConfig(TRANSALNET_CONFIG);
const [HEIGHT, WIDTH] = config.image_size;
const AREA = HEIGHT * WIDTH;
/** The square picture inside the canvas. */
const LEFT = (WIDTH - HEIGHT) / 2;

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
      steps: 1600,
      learningRate: 2e-3,
      warmup: 100,
      weightDecay: 0.01,
      emaDecay: 0.99,
      maxNorm: 5,
      finalShare: 0.02,
    },
    objective(weights, t) {
      const predicted = reshape(transalnet(config, weights, { training: true })(t.planes!), [BATCH, AREA]);
      const parts = saliencyLosses(predicted, t.map!, t.fixations!);
      const loss = sub(sub(mul(parts.kl, 10), mul(parts.cc, 2)), add(parts.sim, parts.nss));
      return { loss, ...parts };
    },
    batch(rng) {
      pool ??= trainingScenesWithMasks(6_000_000, POOL);
      const planes = new Float32Array(BATCH * 3 * AREA);
      const map = new Float32Array(BATCH * AREA);
      const fixations = new Float32Array(BATCH * AREA);
      for (let b = 0; b < BATCH; b++) {
        const index = below(rng, POOL);
        writeSample(pool[index]!, index, b, { planes, map, fixations });
      }
      return { planes, map, fixations };
    },
    validateEvery: 200,
    validate: async (weights) => measure(await withStatistics(weights, 16)),
  };
}

/** Losses of the authors, each a mean over the batch; maps are [batch, area]. */
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

/** Letter-boxes the picture and its maps onto the network's canvas. */
function writeSample(
  { scene, image, masks }: PooledMasks,
  seed: number,
  slot: number,
  into: { planes: Float32Array; map: Float32Array; fixations: Float32Array },
): void {
  const canvas = { height: HEIGHT, width: WIDTH };
  const square = { width: IMAGE, height: IMAGE };
  const picture = letterboxPlanes(planesFromImage({ ...square, data: image }, [0, 1]), square, canvas);
  into.planes.set(picture, slot * 3 * AREA);
  const truth = simulateFixations(scene, { image, masks }, { size: HEIGHT, rng: worldRng(seed) });
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < HEIGHT; x++) {
      const at = slot * AREA + y * WIDTH + LEFT + x;
      into.map[at] = truth.map[y * HEIGHT + x]!;
      into.fixations[at] = truth.fixations[y * HEIGHT + x]! > 0 ? 1 : 0;
    }
  }
}

/** Adds running means and variances, averaged over training pictures. */
async function withStatistics(weights: NamedWeights, batches: number): Promise<NamedWeights> {
  const names: { name: string; channels: number }[] = [];
  const graph = trace({ planes: { shape: [BATCH, 3, HEIGHT, WIDTH] } }, ({ planes }) => {
    const collected: Tensor[] = [];
    const output = transalnet(config, constantWeights(weights), {
      training: true,
      onBatchStatistics(name, { mean: centre, variance, count }) {
        names.push({ name, channels: centre.shape[0]! });
        collected.push(centre, mul(variance, count / (count - 1)));
      },
    })(planes);
    // The output is asked for too, so that the last layers are not dropped as dead code before their norms are seen.
    return { statistics: concat(collected, 0), output: mean(output) };
  });
  const program = await compile(graph);
  const total = new Float64Array(names.reduce((n, { channels }) => n + 2 * channels, 0));
  const rng = createRng(977);
  const scenes = trainingScenesWithMasks(6_500_000, 200);
  for (let i = 0; i < batches; i++) {
    const planes = new Float32Array(BATCH * 3 * AREA);
    const [map, fixations] = [new Float32Array(BATCH * AREA), new Float32Array(BATCH * AREA)];
    for (let b = 0; b < BATCH; b++)
      writeSample(scenes[below(rng, scenes.length)]!, b, b, { planes, map, fixations });
    const { statistics } = await program.run({ planes });
    for (let k = 0; k < total.length; k++) total[k]! += Number(statistics![k]) / batches;
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

/** CC and NSS over the square picture (the bars beside it are left out), as the benchmarks define them. */
async function measure(weights: NamedWeights): Promise<Record<string, number>> {
  const program = await compile(
    trace({ planes: { shape: [1, 3, HEIGHT, WIDTH] } }, ({ planes }) => ({
      map: transalnet(config, constantWeights(weights))(planes),
    })),
  );
  let [cc, nss] = [0, 0];
  const into = {
    planes: new Float32Array(3 * AREA),
    map: new Float32Array(AREA),
    fixations: new Float32Array(AREA),
  };
  const scenes = testScenes(HELD_OUT);
  for (const [i, scene] of scenes.entries()) {
    writeSample(scene, 900_000 + i, 0, into);
    const { map } = await program.run({ planes: into.planes });
    const square = (source: ArrayLike<number | bigint>) =>
      Float64Array.from({ length: HEIGHT * HEIGHT }, (_, k) =>
        Number(source[Math.floor(k / HEIGHT) * WIDTH + LEFT + (k % HEIGHT)]),
      );
    const [p, g, f] = [square(map!), square(into.map), square(into.fixations)];
    const average = (x: Float64Array) => x.reduce((a, b) => a + b, 0) / x.length;
    const [pm, gm] = [average(p), average(g)];
    let [pg, pp, gg, hits, count] = [0, 0, 0, 0, 0];
    for (let k = 0; k < p.length; k++) {
      pg += (p[k]! - pm) * (g[k]! - gm);
      pp += (p[k]! - pm) ** 2;
      gg += (g[k]! - gm) ** 2;
      if (f[k]! > 0) {
        hits += p[k]! - pm;
        count++;
      }
    }
    cc += pg / Math.sqrt(pp * gg) / HELD_OUT;
    nss += hits / count / Math.sqrt(pp / (p.length - 1)) / HELD_OUT;
  }
  await program.dispose();
  return { cc, nss };
}

/** Writes `transalnet/`. */
export async function exportTransalnet(result: TrainResult): Promise<void> {
  const complete = await withStatistics(result.weights, STATISTIC_BATCHES);
  await writeComponent('transalnet', TRANSALNET_CONFIG, 'model.safetensors', complete);
}
