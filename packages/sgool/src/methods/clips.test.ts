/** @file Methods over the frames of a clip, by a network that makes each frame and mixes them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { frameLatent } from '../models/frames.ts';
import { dot, mean } from '../numbers.ts';
import type { Objective } from '../objectives/objective.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { withMotion, writeTinyModel } from '../pipeline/testing.ts';
import { randomSource } from '../random/random-source.ts';
import type { MethodRequest } from '../request/request.ts';
import { estimateRun } from './estimate.ts';
import { METHOD_NAMES, METHODS, type MethodName, methods } from './index.ts';
import { drawFrameNoise } from './run/frame-noise.ts';
import type { Iteration, MethodState, RunOptions, StepProgress } from './run/iteration.ts';
import { requestTo } from './testing.ts';

let plain: Pipeline;
let pipeline: Pipeline;
let model: Awaited<ReturnType<typeof writeTinyModel>>;
beforeAll(async () => {
  model = await writeTinyModel();
  plain = await loadPipeline(model.dir, { threads: 1 });
  pipeline = withMotion(plain);
});
afterAll(async () => {
  await plain.dispose();
  await model.remove();
});

const FRAMES = 3;
const request: MethodRequest = {
  prompt: 'a red cat and a blue boat',
  seed: 5,
  steps: 2,
  iterations: 2,
  frames: FRAMES,
  lossFrames: 2,
  sampler: 'ddim',
  saliency: 'spectral-residual',
  cutouts: 0,
};
const size = { width: 32, height: 32 };

async function run(name: MethodName, input: MethodRequest, options: RunOptions = {}, on = pipeline) {
  const iterations: Iteration[] = [];
  for await (const one of methods[name].run(on, requestTo(name, input), options)) iterations.push(one);
  return iterations;
}
const comparable = (iterations: readonly Iteration[]) => iterations.map(({ seconds: _, ...rest }) => rest);

const ofClips = METHODS.filter(({ picturesOnly }) => !picturesOnly).map(({ name }) => name);
const ofPictures = METHOD_NAMES.filter((name) => !ofClips.includes(name));

describe.each(ofClips)('%s', (name) => {
  it('makes clips, scores all frames, and goes on from any state with the same numbers', async () => {
    const states: MethodState[] = [];
    const whole = await run(name, request, { onState: (state) => void states.push(structuredClone(state)) });
    for (const { frames = [], image, clip, overFrames, latent, fps } of whole) {
      expect(latent).toHaveLength(4 * FRAMES * 8 * 8);
      expect({ count: frames.length, fps }).toEqual({ count: FRAMES, fps: 8 });
      expect(image).toBe(frames[1]);
      const scores = await Promise.all(frames.map((frame) => pipeline.score(frame, request.prompt)));
      for (const critic of ['A', 'B'] as const) {
        const own = scores.map((score) => score[critic] as number);
        expect(clip[critic]).toBeCloseTo(mean(own), 4);
        expect(overFrames?.least[critic]).toBeCloseTo(Math.min(...own), 4);
      }
      expect(overFrames?.motion).toBeGreaterThan(0);
      expect(overFrames?.consistency).toBeLessThan(1);
    }
    for (const state of states) {
      const rest = await run(name, request, { state });
      expect(comparable(rest), `from ${state.iteration}`).toEqual(comparable(whole.slice(state.iteration)));
    }
  });
});

it.each(ofPictures)('%s refuses a clip in one line', async (name) => {
  await expect(run(name, request)).rejects.toThrow(
    new UserError(
      `request: frames must be 1 for ${name}, which makes pictures and no clips, got 3; take another method`,
    ),
  );
});

it('a model without motion refuses a clip', async () => {
  await expect(run('sd', request, {}, plain)).rejects.toThrow(
    /^request: frames must be 1 for .*, which makes pictures, got 3; give it a motion adapter$/,
  );
});

it.each(['sd', 'sgool', 'best-of'] as const)('%s makes the same pictures with one frame', async (name) => {
  const { frames: _, lossFrames: __, ...picture } = request;
  const [one, other] = [await run(name, { ...picture, frames: 1 }), await run(name, picture, {}, plain)];
  expect(comparable(one)).toEqual(comparable(other));
  expect(one[0]).not.toHaveProperty('frames');
  expect(one[0]).not.toHaveProperty('overFrames');
});

it('progress counts the frames that are decoded', async () => {
  const seen: StepProgress[] = [];
  await run('sd', request, { onStep: (step) => void seen.push(step) });
  expect(seen.filter(({ phase }) => phase === 'decode').map(({ step, steps }) => [step, steps])).toEqual([
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
});

it('stops between two frames', async () => {
  const stop = new AbortController();
  const onStep = ({ phase }: StepProgress) => phase === 'decode' && stop.abort(new Error('stopped'));
  await expect(
    run('sd', request, { signal: stop.signal, onStep: (step) => void onStep(step) }),
  ).rejects.toThrow('stopped');
});

it('a dry run counts every frame', async () => {
  const flopsOf = async (frames: number) =>
    (
      await estimateRun({
        method: methods.sd,
        request: { prompt: 'a red cat', steps: 2, frames },
        iterations: 0,
        open: async (programs) => withMotion(await loadPipeline(model.dir, { programs })),
      })
    ).operations;
  const [one, four] = [await flopsOf(1), await flopsOf(4)];
  expect(four / one).toBeGreaterThan(3);
});

describe('the noise', () => {
  it('has a part that the frames share, in later seeds too', async () => {
    const shape = pipeline.latentShape({ ...size, frames: FRAMES });
    for (const [i, { latent }] of (await run('best-of', { ...request, sharedNoise: 1 })).entries()) {
      expect(latent).toEqual(drawFrameNoise(randomSource('cpu', 5 + i), shape, 1));
      expect(frameLatent(latent, shape, 0)).toEqual(frameLatent(latent, shape, 2));
    }
  });

  it('of later windows is that of earlier ones in another order, what is added to it too', async () => {
    const windowed: Pipeline = {
      ...pipeline,
      model: {
        ...pipeline.model,
        motion: { frames: 2, mostFrames: 8, fps: 8, windows: { frames: 2, stride: 1 } },
      },
    };
    const frames = 4;
    const shape = pipeline.latentShape({ ...size, frames });
    // A gradient of nothing: only the perturbation moves the noise.
    const still = { optimiser: 'sign', learningRate: 1e-12, perturbation: 0.5, renormalise: false } as const;
    for (const [name, settings] of [
      ['sgool', still],
      ['zero-order', {}],
    ] as const) {
      const [first, second] = await run(
        name,
        { ...request, ...settings, frames, iterations: 1 },
        {},
        windowed,
      );
      const added = second.latent.map((value, i) => value - first.latent[i]);
      for (const noise of [first.latent, added]) {
        const [a, b, c, d] = [0, 1, 2, 3].map((frame) => frameLatent(noise, shape, frame));
        // Windows of two, stride one: frame 2 has the noise of frame 0, frame 3 that of frame 1.
        const apart = (one: Float64Array, other: Float64Array) =>
          Math.max(...one.map((value, i) => Math.abs(value - other[i])));
        expect(apart(c, a)).toBeLessThan(1e-9);
        expect(apart(d, b)).toBeLessThan(1e-9);
        expect(apart(a, b)).toBeGreaterThan(0.1);
      }
    }
  });

  it('stays one where all of it is shared, whatever moves it', async () => {
    const shape = pipeline.latentShape({ ...size, frames: FRAMES });
    for (const optimiser of ['doodl', 'adam'] as const) {
      const [, , last] = await run('sgool', { ...request, sharedNoise: 1, optimiser, perturbation: 0.01 });
      const [first, third] = [0, 2].map((frame) => frameLatent(last.latent, shape, frame));
      for (const [i, value] of first.entries()) expect(value).toBeCloseTo(third[i], 10);
    }
  });
});

describe('what neighbouring frames see', () => {
  it.each(['clip', 'transalnet'] as const)('%s has the gradient of central differences', async (name) => {
    const features = await pipeline.frameFeatures(name, { ...size, frames: FRAMES } as typeof size);
    const latent = Float64Array.from(randomSource('cpu', 4).randn([1, 4, 8, 8]));
    const seen = await features.of(latent);
    const cotangent = Float64Array.from(randomSource('cpu', 6).randn([seen.length]));
    const pulled = await features.pullback(latent, cotangent);
    // The direction in which most happens, of length 1.
    const length = Math.sqrt(dot(pulled, pulled));
    const along = pulled.map((value) => value / length);
    const at = async (step: number) =>
      dot(await features.of(latent.map((value, i) => value + step * along[i])), cotangent);
    const slope = ((await at(1e-3)) - (await at(-1e-3))) / 2e-3;
    // ReLUs bend within larger steps, float32 rounds within smaller ones.
    expect(Math.abs(slope / length - 1)).toBeLessThan(0.01);
  });

  it('is what the critic and the saliency model see', async () => {
    const latent = Float64Array.from(randomSource('cpu', 4).randn([1, 4, 8, 8]));
    const image = await pipeline.decode(latent, size);
    const embedding = await (await pipeline.frameFeatures('clip', size)).of(latent);
    expect(dot(embedding, await (await pipeline.critic()).embedImage(image))).toBeCloseTo(1, 3);
    const map = await (await pipeline.frameFeatures('transalnet', size)).of(latent);
    const { data } = await (await pipeline.detector('transalnet')).map(image);
    const most = Math.max(...map);
    // The image has whole levels; without the borders of the canvas they are 0.0025 apart.
    for (const [i, value] of data.entries()) expect(Math.abs(map[i] / most - value)).toBeLessThan(0.001);
  });
});

describe('sgool', () => {
  it('and doodl weigh how alike neighbouring frames are', async () => {
    const likeness = { clipConsistencyWeight: 3, saliencyConsistencyWeight: 2, motionWeight: 0 };
    const moving = { optimiser: 'normalised', learningRate: 1 } as const;
    const [first, second] = await run('doodl', { ...request, ...likeness, ...moving });
    expect(first.loss?.consistency).toBeGreaterThanOrEqual(0);
    expect(first.loss).not.toHaveProperty('motion');
    const { total = 0, whole = 0, consistency = 0, saliency = 0 } = second.loss ?? {};
    expect(saliency).toBeGreaterThan(0);
    expect(total).toBeCloseTo(whole + 3 * consistency + 2 * saliency, 4);
    const [, other] = await run('sgool', { ...request, ...likeness, ...moving, iterations: 1 });
    expect(other.loss?.saliency).toBeGreaterThan(0);
  });

  it('takes the loss of as many frames as are asked for, the worst one among them', async () => {
    for (const [lossFrames, count] of [
      [0, 4],
      [3, 3],
      [2, 2],
    ]) {
      const seen: Float64Array[] = [];
      const watched: Pipeline = {
        ...pipeline,
        async objective(options) {
          const real = await pipeline.objective(options);
          const evaluate: Objective['evaluate'] = (latent, input) => {
            seen.push(latent);
            return real.evaluate(latent, input);
          };
          return { evaluate };
        },
      };
      await run('sgool', { ...request, frames: 4, lossFrames, iterations: 0 }, {}, watched);
      expect(seen).toHaveLength(count);
      const [{ frames = [] }] = await run('sd', { ...request, frames: 4 });
      const scores = await Promise.all(frames.map((frame) => pipeline.score(frame, request.prompt)));
      const worst = frames[scores.indexOf(scores.toSorted((a, b) => (a.A ?? 0) - (b.A ?? 0))[0])];
      const shown = await Promise.all(seen.map((latent) => pipeline.decode(latent, size)));
      expect(shown.some(({ data }) => data.every((value, i) => value === worst.data[i]))).toBe(true);
    }
  });

  it('reports the loss of the motion, and weighs it', async () => {
    const [first, second] = await run('sgool', {
      ...request,
      optimiser: 'normalised',
      learningRate: 1,
      momentum: 0,
      perturbation: 0,
    });
    expect(first.loss?.motion).toBe(0);
    expect(second.loss?.motion).toBeGreaterThan(0);
    const { total = 0, whole = 0, regions = 0, motion = 0 } = second.loss ?? {};
    expect(total).toBeCloseTo(whole + regions + motion, 4);
  });

  it('compares iterations through the same frames where the lowest loss is kept', async () => {
    const still = { optimiser: 'sign', learningRate: 1e-12, keep: 'loss', motionWeight: 0 } as const;
    const all = await run('sgool', { ...request, ...still, lossFrames: 1, frames: 4, iterations: 3 });
    const compared = all.map(({ loss }) => loss?.compared ?? loss?.total);
    // Almost nothing moves: only the frames could differ.
    const spread = (values: readonly (number | undefined)[]) => {
      const known = values.map(Number);
      return Math.max(...known) - Math.min(...known);
    };
    expect(spread(all.map(({ loss }) => loss?.total))).toBeGreaterThan(10 * spread(compared));
  });
});
