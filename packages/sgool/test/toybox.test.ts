/** @file What sgool promises of chains, gradients and methods, on the networks that it comes with. */
import path from 'node:path';
import {
  clipGuide,
  type GenerationRequest,
  Generator,
  type Image,
  type Iteration,
  loadPipeline,
  type MethodName,
  methods,
  type Pipeline,
  UserError,
  wholeCrop,
} from 'sgool';
import {
  ddim,
  edict,
  invertChain,
  runTrajectory,
  type Sampler,
  sample,
  type TrajectoryKind,
} from 'sgool/diffusion';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { copyOfToybox, describeOnToybox, poison } from './toybox-model.ts';

// Half a minute on two idle cores in all; machines that train or build at the same time take far longer.
vi.setConfig({ testTimeout: 300_000 });

const PROMPT = 'a red cat to the left of a blue boat';
const SIZE = { width: 128, height: 128 };
/** Settings that the model's hints leave alone once they are asked for, so that retraining Toybox changes no count. */
const FIXED = {
  prompt: PROMPT,
  seed: 3,
  guidanceScale: 4,
} as const;

/** Nodes on [-1, 1] and weights that add up to 1. */
const GAUSS_LEGENDRE = [
  [-0.906179845938664, 0.1184634425280945],
  [-0.5384693101056831, 0.2393143352496832],
  [0, 0.2844444444444444],
  [0.5384693101056831, 0.2393143352496832],
  [0.906179845938664, 0.1184634425280945],
] as const;

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const norm = (a: Float64Array) => Math.sqrt(dot(a, a));
const unit = (a: Float64Array) => a.map((value) => value / norm(a));
const largestDifference = (a: Float64Array, b: Float64Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
const sameBytes = (a: Image, b: Image) => Buffer.compare(a.data, b.data) === 0;
const normal = (seed: number) => Float64Array.from(new Generator(seed).randn([1024]));

async function collect(run: AsyncGenerator<Iteration>, into: Iteration[] = []): Promise<Iteration[]> {
  for await (const iteration of run) into.push(iteration);
  return into;
}

describeOnToybox('on Toybox', () => {
  let toybox: Pipeline;
  beforeAll(async () => {
    toybox = await loadPipeline('toybox');
  });
  afterAll(() => toybox?.dispose());

  /** Noise to CLIP loss, through every denoising step, the decoder and CLIP; and the gradient of it. */
  async function chain(sampler: Sampler) {
    const denoiser = await toybox.denoiser({ ...FIXED, ...SIZE });
    const critic = await toybox.critic();
    const objective = await toybox.objective({
      ...SIZE,
      parts: [{ guide: clipGuide(critic), views: 1 }],
      saturatedGradient: 'clamp',
    });
    const crop = wholeCrop({ ...SIZE, side: critic.side });
    const input = [{ views: [{ crop, aim: { text: await critic.embedText(PROMPT) }, weight: 1 }] }];
    const evaluate = async (finals: readonly Float64Array[]) => {
      const results = [];
      for (const final of finals) results.push(await objective.evaluate(final, input));
      return results;
    };
    return {
      async loss(noise: Float64Array) {
        const results = await evaluate(await sample(sampler, denoiser, noise));
        return results.reduce((sum, { total }) => sum + total, 0);
      },
      async gradient(noise: Float64Array, kind: TrajectoryKind) {
        const trajectory = await runTrajectory(kind, sampler, denoiser, noise);
        const results = await evaluate(trajectory.final);
        return trajectory.pullback(results.map(({ gradient }) => gradient));
      },
    };
  }

  it('inverts an EDICT generation of 50 steps back to its noise', async () => {
    const sampler = edict(toybox.noisePath(SIZE), 50);
    const denoiser = await toybox.denoiser({ ...FIXED, ...SIZE });
    const noise = normal(1);
    const finals = await sample(sampler, denoiser, noise);
    expect(largestDifference(finals[0], noise)).toBeGreaterThan(0.5);
    const [start] = await invertChain(sampler, denoiser, finals);
    for (const latent of start) expect(largestDifference(latent, noise)).toBeLessThan(1e-9);
    // Not a bit is lost on the way; the noise itself was rounded to the grid that the chain lives on.
    expect(start).toEqual(sampler.initial(noise));
  });

  it('gives one gradient on both ways back', async () => {
    const { gradient } = await chain(edict(toybox.noisePath(SIZE), 6));
    const kept = await gradient(normal(2), 'checkpointed');
    const inverted = await gradient(normal(2), 'invertible');
    expect(norm(kept)).toBeGreaterThan(0);
    expect(largestDifference(kept, inverted) / norm(kept)).toBeLessThan(1e-6);
  });

  /**
   * The networks compute in float32, which leaves some 3e-6 of noise on a loss near 1, so steps cannot be tiny; and trained
   * weights make a loss that bends within 0.01 of the noise, more with each training, and has kinks where pixels reach
   * black or white. So the difference of the loss over a segment is held against the mean of the slope along it, which it
   * equals whatever the bends: 5 Gauss-Legendre nodes. What is left is rounding, 3e-6 over the length of the segment (0.2 %
   * along a gradient of length 1; for random directions the segment is longer, because their slopes are about √1024 times
   * smaller: 0.5 %), and kinks between the nodes.
   *
   * Of three noises the one of the gentlest slope is taken: where two images border on each other the loss has structure
   * finer than any step here (slopes between -43 and 1361 within 0.002, seen with seed 2 after one training).
   */
  it.each([
    ['ddim', 5],
    ['edict', 4],
  ] as const)('has the slope that finite differences find, with %s', async (name, steps) => {
    const { loss, gradient } = await chain({ ddim, edict }[name](toybox.noisePath(SIZE), steps));
    const candidates = [];
    for (const seed of [2, 3, 4]) {
      const slope = await gradient(normal(seed), 'checkpointed');
      candidates.push({ noise: normal(seed), slope, steepness: norm(slope) });
    }
    candidates.sort((a, b) => a.steepness - b.steepness);
    const { noise, slope, steepness } = candidates[0];

    async function error(direction: Float64Array, reach: number): Promise<number> {
      const at = (place: number) => noise.map((value, i) => value + place * reach * direction[i]);
      let mean = 0;
      for (const [place, weight] of GAUSS_LEGENDRE) {
        mean += weight * dot(await gradient(at(place), 'checkpointed'), direction);
      }
      return Math.abs(((await loss(at(1))) - (await loss(at(-1)))) / (2 * reach) - mean);
    }
    expect((await error(unit(slope), 0.0007)) / steepness).toBeLessThan(0.03);
    const typical = steepness / Math.sqrt(noise.length);
    expect((await error(unit(normal(10)), 0.01)) / typical).toBeLessThan(0.03);
  });

  // A guided call counts two: one for each prompt. Three images of three steps, and two backward passes.
  describe.each<[MethodName, Partial<GenerationRequest>, { forward: number; pullback: number }, number]>([
    ['sd', { sampler: 'ddim' }, { forward: 6, pullback: 0 }, 1],
    ['best-of', { sampler: 'ddim', iterations: 2 }, { forward: 18, pullback: 0 }, 3],
    // Per guided step one more call and one backward pass, for the prompt alone.
    ['clip-guided', { sampler: 'ddim', cutouts: 2, cutSize: 0.7 }, { forward: 6 + 9, pullback: 3 }, 2],
    [
      'doodl',
      {
        sampler: 'edict',
        trajectory: 'checkpointed',
        cutouts: 2,
        cutSize: 0.7,
        gradientSteps: 0,
        iterations: 2,
      },
      { forward: 36, pullback: 24 },
      3,
    ],
    // Each backward pass runs the chain a second time.
    [
      'sgool',
      {
        sampler: 'edict',
        trajectory: 'invertible',
        saliency: 'spectral-residual',
        gradientSteps: 0,
        iterations: 2,
      },
      { forward: 36 + 24, pullback: 24 },
      3,
    ],
  ])('%s', (name, settings, evaluations, images) => {
    it('gives the same bytes for the same seed, and counts what it asks of the UNet', async () => {
      const request = { ...FIXED, steps: 3, ...settings };
      const rounds = await collect(methods[name].run(toybox, request));
      const again = await collect(methods[name].run(toybox, request));
      expect(rounds).toHaveLength(images);
      expect(rounds.at(-1)?.evaluations).toEqual(evaluations);
      rounds.forEach(({ image, latent, clip, loss }, i) => {
        expect(image).toMatchObject(SIZE);
        expect(sameBytes(image, again[i].image)).toBe(true);
        expect(latent).toEqual(again[i].latent);
        expect({ clip, loss }).toEqual({ clip: again[i].clip, loss: again[i].loss });
      });
      expect(rounds[0].best).toBe(true);
    });
  });

  describe('numbers that are not finite', () => {
    const plain = { ...FIXED, steps: 2, sampler: 'ddim' } as const;
    const request = { ...plain, iterations: 2, gradientSteps: 0, saliency: 'spectral-residual' } as const;
    let copy: Awaited<ReturnType<typeof copyOfToybox>>;
    beforeAll(async () => {
      copy = await copyOfToybox();
    });
    afterAll(() => copy?.remove());

    it('in a gradient end the run, which has given out all images until then', async () => {
      let calls = 0;
      const broken: Pipeline = {
        ...toybox,
        async denoiser(options) {
          const denoiser = await toybox.denoiser(options);
          return {
            ...denoiser,
            async pullback(...args) {
              const gradient = await denoiser.pullback(...args);
              // Two calls: the first backward pass.
              return ++calls > 2 ? gradient.fill(Number.NaN, 7, 8) : gradient;
            },
          };
        },
      };
      const given: Iteration[] = [];
      await expect(collect(methods.sgool.run(broken, request), given)).rejects.toThrow(
        /^sgool: stopped in iteration 1: .*gradient of the noise prediction at timestep \d+ holds NaN at index 7/,
      );
      expect(given.map(({ iteration }) => iteration)).toEqual([0, 1]);
      expect(given.some(({ best }) => best)).toBe(true);
    });

    it('in the weights of CLIP end it after the plain image', async () => {
      await poison(path.join(copy.dir, 'clip', 'model.safetensors'), 'visual_projection.weight');
      const poisoned = await loadPipeline(copy.dir);
      try {
        const given: Iteration[] = [];
        await expect(collect(methods.sgool.run(poisoned, request), given)).rejects.toThrow(
          /^sgool: stopped in iteration 0: clip image: its output embedding holds NaN/,
        );
        expect(given.map(({ best }) => best)).toEqual([true]);
        const only: Iteration[] = [];
        await expect(collect(methods.sd.run(poisoned, plain), only)).rejects.toThrow(
          /^sd: stopped in iteration 0: clip image: its output embedding holds NaN/,
        );
        expect(sameBytes(given[0].image, only[0].image)).toBe(true);
      } finally {
        await poisoned.dispose();
      }
    });

    it('in the weights of the UNet end it at the timestep', async () => {
      await poison(path.join(copy.dir, 'unet', 'diffusion_pytorch_model.safetensors'), 'conv_out.bias');
      const poisoned = await loadPipeline(copy.dir);
      try {
        const run = collect(methods.sd.run(poisoned, plain));
        await expect(run).rejects.toThrow(UserError);
        await expect(run).rejects.toThrow(
          /^sd: stopped in iteration 0: step 1 of \d+: unet .* at timestep \d+: its output prediction holds NaN/,
        );
      } finally {
        await poisoned.dispose();
      }
    });
  });
});
