import { describe, expect, it } from 'vitest';
import { dot, sum } from '../numbers.ts';
import type { Denoiser } from './denoiser.ts';
import { invertChain } from './inversion.ts';
import { createSampler, type Sampler } from './sampler.ts';
import { ddim } from './samplers/ddim.ts';
import { dpmSolver } from './samplers/dpm-solver.ts';
import { edict } from './samplers/edict.ts';
import { pndm } from './samplers/pndm.ts';
import {
  maxDifference,
  randomNormal,
  randomWeights,
  runStep,
  stableSchedule,
  tanhDenoiser,
} from './testing.ts';
import type { TrajectoryKind } from './trajectory.ts';
import { runTrajectory, sample } from './trajectory.ts';

const size = 32;
const schedule = stableSchedule();
const denoiser = tanhDenoiser(randomWeights(size));
const float32Denoiser = tanhDenoiser(randomWeights(size), { float32: true });
const noise = randomNormal(size, 5);
const direction = randomNormal(size, 6);

/** Half the squared norm of all final latents: its cotangents are the latents themselves. */
const energy = (finals: readonly Float64Array[]) => sum(finals.map((one) => dot(one, one) / 2));

async function gradientOf(kind: TrajectoryKind, sampler: Sampler, network: Denoiser = denoiser) {
  const trajectory = await runTrajectory(kind, sampler, network, noise);
  return trajectory.pullback(trajectory.final);
}

it('a chain is invertible where each of its stages is', () => {
  const { stages, ...rest } = edict(schedule, 4);
  expect(createSampler({ ...rest, stages }).invertible).toBe(true);
  const [first, ...others] = stages;
  expect(createSampler({ ...rest, stages: [{ ...first, invert: undefined }, ...others] }).invertible).toBe(
    false,
  );
});

describe('the steps', () => {
  it('are told when their last stage has run', async () => {
    const seen: { step: number; latents: readonly Float64Array[] }[] = [];
    const sampler = edict(schedule, 4);
    const final = await sample(sampler, denoiser, noise, {
      onStep: ({ step, latents }) => void seen.push({ step, latents }),
    });
    expect(seen.map(({ step }) => step)).toEqual([0, 1, 2, 3]);
    expect(seen[3].latents).toEqual(final);
  });
});

describe('gradient of the whole chain', () => {
  const samplers: [string, Sampler, TrajectoryKind][] = [
    ['ddim', ddim(schedule, 9), 'checkpointed'],
    ['pndm', pndm(schedule, 9), 'checkpointed'],
    ['dpmSolver', dpmSolver(schedule, 9), 'checkpointed'],
    ['edict, even', edict(schedule, 10), 'invertible'],
    ['edict, odd', edict(schedule, 9), 'invertible'],
    ['edict, x alone', edict(schedule, 9, { output: 'x' }), 'invertible'],
  ];

  it.each(samplers)('agrees with finite differences: %s', async (_, sampler, kind) => {
    const at = async (distance: number) =>
      energy(
        await sample(
          sampler,
          denoiser,
          noise.map((value, i) => value + distance * direction[i]),
        ),
      );
    const slope = ((await at(1e-4)) - (await at(-1e-4))) / 2e-4;
    const expected = dot(await gradientOf(kind, sampler), direction);
    expect(Math.abs(slope / expected - 1)).toBeLessThan(1e-5);
  });

  it('is the same for both kinds of trajectory', async () => {
    for (const network of [denoiser, float32Denoiser]) {
      for (const steps of [49, 50]) {
        const kept = await gradientOf('checkpointed', edict(schedule, steps), network);
        const inverted = await gradientOf('invertible', edict(schedule, steps), network);
        expect(maxDifference(inverted, kept) / Math.hypot(...kept)).toBeLessThan(1e-12);
      }
    }
  });

  it('is what the stages give one by one', async () => {
    const sampler = edict(schedule, 6);
    const states = [sampler.initial(noise)];
    for (const stage of sampler.stages) states.unshift(await stage.run(states[0], denoiser));
    const [end, ...befores] = states;
    let cotangent = sampler.finalPullback(sampler.finalLatents(end));
    for (const [k, stage] of sampler.stages.toReversed().entries()) {
      cotangent = await stage.pullback(befores[k], cotangent, denoiser);
    }
    expect(sampler.initialPullback(cotangent)).toEqual(await gradientOf('checkpointed', sampler));
  });

  it('is there for each of the two starting latents', async () => {
    const pair = [noise, randomNormal(size, 7)];
    const trajectory = await runTrajectory('invertible', edict(schedule, 5), denoiser, pair);
    const [x, y] = await trajectory.pullbackToInitial(trajectory.final);
    const both = await trajectory.pullback(trajectory.final);
    expect(
      maxDifference(
        both,
        x.map((value, i) => value + y[i]),
      ),
    ).toBe(0);
    expect(maxDifference(x, y)).toBeGreaterThan(1e-3);
  });

  it('can be taken through the last steps only', async () => {
    const sampler = ddim(schedule, 8);
    const short = await runTrajectory('checkpointed', sampler, denoiser, noise, { gradientSteps: 3 });
    const [late] = await sample(ddim(schedule, 8), denoiser, noise);
    expect(short.final[0]).toEqual(late);
    expect(short.retainedLatents).toBe(4);
    let latent = sampler.initial(noise);
    for (let i = 0; i < 5; i++) latent = await runStep(sampler, latent, i, denoiser);
    const tail = await runTrajectory('checkpointed', sampler, denoiser, latent, { startIndex: 5 });
    expect(await short.pullback([direction])).toEqual(await tail.pullback([direction]));
  });
});

describe('cost', () => {
  it('keeps no more for 100 steps than for 10 when it can invert', async () => {
    const retained = async (kind: TrajectoryKind, steps: number) =>
      (await runTrajectory(kind, edict(schedule, steps), denoiser, noise)).retainedLatents;
    expect(await retained('invertible', 10)).toBe(2);
    expect(await retained('invertible', 100)).toBe(2);
    expect(await retained('checkpointed', 10)).toBeGreaterThan(20);
  });

  it('makes as many network calls as promised', async () => {
    const count = async (kind: TrajectoryKind, sampler: Sampler) => {
      const before = { ...denoiser.evaluations };
      await gradientOf(kind, sampler);
      return [denoiser.evaluations.forward - before.forward, denoiser.evaluations.pullback - before.pullback];
    };
    expect(await count('checkpointed', ddim(schedule, 10))).toEqual([10, 10]);
    expect(await count('checkpointed', edict(schedule, 10))).toEqual([20, 20]);
    expect(await count('invertible', edict(schedule, 10))).toEqual([40, 20]);
  });
});

describe('a run', () => {
  it('reports every step once, forward and backward', async () => {
    const forward: number[] = [];
    const backward: number[] = [];
    const sampler = edict(schedule, 4);
    const trajectory = await runTrajectory('invertible', sampler, denoiser, noise, {
      onStep: ({ step, steps, timestep, latents }) => {
        expect([steps, timestep, latents.length]).toEqual([4, sampler.timesteps[step], 2]);
        forward.push(step);
      },
    });
    await trajectory.pullback(trajectory.final, { onStep: ({ step }) => void backward.push(step) });
    expect(forward).toEqual([0, 1, 2, 3]);
    expect(backward).toEqual([3, 2, 1, 0]);
  });

  it('stops before the next network call when aborted', async () => {
    const stop = new AbortController();
    const before = denoiser.evaluations.forward;
    const run = sample(ddim(schedule, 10), denoiser, noise, {
      signal: stop.signal,
      onStep: ({ step }) => {
        if (step === 2) stop.abort(new Error('enough'));
      },
    });
    await expect(run).rejects.toThrow('enough');
    expect(denoiser.evaluations.forward - before).toBe(3);

    const trajectory = await runTrajectory('invertible', edict(schedule, 4), denoiser, noise);
    await expect(
      trajectory.pullback(trajectory.final, { signal: AbortSignal.abort(new Error('stop')) }),
    ).rejects.toThrow('stop');
  });

  it('says which network call gave a number that is not finite', async () => {
    const broken: Denoiser = {
      ...denoiser,
      predict: async (latent, timestep) => (timestep < 500 ? latent.map(() => Number.NaN) : latent),
    };
    await expect(sample(ddim(schedule, 10), broken, noise)).rejects.toThrow(
      'step 6 of 10: denoiser: the noise prediction at timestep 401 holds NaN at index 0',
    );
    const lost: Denoiser = {
      ...denoiser,
      pullback: async (latent, timestep) => (timestep < 300 ? latent.map(() => Number.NaN) : latent),
    };
    await expect(gradientOf('checkpointed', ddim(schedule, 10), lost)).rejects.toThrow(
      /^step 10 of 10: denoiser: the gradient of the noise prediction at timestep 1 holds NaN/,
    );
    const end = noise.slice();
    await expect(invertChain(edict(schedule, 10), broken, [end, end])).rejects.toThrow(
      /^step 10 of 10: denoiser: the noise prediction at timestep 1 holds NaN/,
    );
    const short: Denoiser = { ...denoiser, predict: async () => new Float64Array(3) };
    await expect(sample(ddim(schedule, 10), short, noise)).rejects.toThrow('has 3 values; it must have 32');
  });

  it('refuses noise of the wrong size and a start that does not exist', async () => {
    await expect(sample(ddim(schedule, 10), denoiser, new Float64Array(3))).rejects.toThrow(
      "the starting latent has 3 values; the denoiser's shape 1x32 has 32",
    );
    await expect(sample(ddim(schedule, 10), denoiser, noise, { startIndex: 10 })).rejects.toThrow(
      'startIndex must be a whole number from 0 to 9, got 10',
    );
    await expect(runTrajectory('invertible', ddim(schedule, 10), denoiser, noise)).rejects.toThrow(
      'ddim with 10 steps has no exact inverse',
    );
  });
});
