import { describe, expect, it } from 'vitest';
import { dot, sum } from '../numbers.ts';
import { createFlowPath } from './flow-path.ts';
import type { FreshNoise } from './fresh-noise.ts';
import type { NoisePath } from './noise-path.ts';
import { restOfChain } from './rest-of-chain.ts';
import type { Latents } from './sampler.ts';
import { type SamplerName, samplersOn } from './sampler-names.ts';
import { euler } from './samplers/euler.ts';
import { namedSampler } from './samplers/named-sampler.ts';
import { maxDifference, randomNormal, randomWeights, stableSchedule, tanhDenoiser } from './testing.ts';
import { runTrajectory, sample } from './trajectory.ts';

const size = 24;
const steps = 6;
const schedule = stableSchedule();
const denoiser = tanhDenoiser(randomWeights(size));
const noise = randomNormal(size, 5);
const direction = randomNormal(size, 6);
const freshNoise: FreshNoise = (step, length) => randomNormal(length, 100 + step);

const flow = createFlowPath({ shift: 3 }, 1024);
const samplerOf = (sampler: SamplerName, path: NoisePath = schedule) =>
  namedSampler(
    path,
    {
      sampler,
      steps,
      eta: 0,
      sigmas: 'model',
      stepEnds: 'reference',
      mixingWeight: 0.93,
      edictOutput: 'both',
    },
    { freshNoise },
  );
const begunAt = async (name: SamplerName, path: NoisePath, step: number) => {
  const sampler = samplerOf(name, path);
  const endIndex = sampler.begins?.[step] ?? step;
  return restOfChain(sampler, denoiser, noise, { startIndex: 0, endIndex });
};
const energy = (finals: readonly Float64Array[]) => sum(finals.map((one) => dot(one, one) / 2));

const CASES = [schedule, flow].flatMap((path) => samplersOn(path.kind).map((name) => [name, path] as const));
describe.each(CASES)('the rest of a chain: %s ($1.kind)', (name, path) => {
  it.each([1, 3, 5])('ends as the whole chain does, from step %i', async (step) => {
    const whole = await sample(samplerOf(name, path), denoiser, noise);
    const { sampler, latents, startIndex } = await begunAt(name, path, step);
    const rest = await sample(sampler, denoiser, latents, { startIndex });
    rest.forEach((final, i) => {
      expect(maxDifference(final, whole[i])).toBe(0);
    });
  });

  it('has the gradient with respect to the latent it begins with', async () => {
    const { sampler, latents, startIndex } = await begunAt(name, path, 3);
    const moved = (distance: number): Latents =>
      latents.map((latent) => latent.map((value, i) => value + distance * direction[i]));
    const at = async (distance: number) =>
      energy(await sample(sampler, denoiser, moved(distance), { startIndex }));
    const slope = ((await at(1e-4)) - (await at(-1e-4))) / 2e-4;
    const kinds = sampler.invertible
      ? (['checkpointed', 'invertible'] as const)
      : (['checkpointed'] as const);
    const gradients: Float64Array[] = [];
    for (const kind of kinds) {
      const trajectory = await runTrajectory(kind, sampler, denoiser, latents, { startIndex });
      gradients.push(await trajectory.pullback(trajectory.final));
    }
    for (const gradient of gradients)
      expect(Math.abs(slope / dot(gradient, direction) - 1)).toBeLessThan(1e-5);
    expect(maxDifference(gradients[0], gradients[gradients.length - 1])).toBeLessThan(1e-12);
  });
});

it('PNDM begins its steps behind the calls of the steps before', () => {
  expect(samplerOf('pndm').begins).toEqual([0, 2, 3, 4, 5, 6]);
  const file = {
    ...schedule,
    config: { ...schedule.config, _class_name: 'PNDMScheduler', skip_prk_steps: false },
  };
  const sampler = namedSampler(file, {
    sampler: 'pndm',
    steps,
    eta: 0,
    sigmas: 'model',
    stepEnds: 'reference',
    mixingWeight: 0.93,
    edictOutput: 'both',
  });
  expect(sampler.begins).toEqual([0, 4, 8, 12, 13, 14]);
});

it.each(['dpm-solver', 'unipc', 'lms'] as const)(
  'a chain that begins later remembers nothing: the first step of %s is of order 1',
  async (sampler) => {
    const settings = { sampler, steps, eta: 0, sigmas: 'model', stepEnds: 'reference' } as const;
    const chain = namedSampler(
      schedule,
      { ...settings, mixingWeight: 0.93, edictOutput: 'both' },
      { firstStep: 3 },
    );
    expect(chain.stages.map(({ step }) => step)).toEqual([3, 4, 5]);
    const [first] = chain.stages;
    const [after] = await first.run([noise], denoiser);
    // The clean latent and the noise stay as predicted: every solver of order 1 is DDIM's step.
    const [now, next] = [chain.mixAt(3), chain.mixAt(4)];
    const said = await denoiser.predict(noise, first.timestep);
    const wanted = noise.map(
      (value, i) => (next.signal * (value - now.noise * said[i])) / now.signal + next.noise * said[i],
    );
    expect(maxDifference(after, wanted)).toBeLessThan(1e-12);
  },
);

it('mixes image and noise for step 0 so that the scaled start of a chain has the level of that step', async () => {
  const chain = euler(schedule, steps, { spacing: 'linspace' });
  const [level] = schedule.stops(steps, { rule: 'euler', spacing: 'linspace' }).levels;
  const { signal, noise: share } = chain.mixAt(0);
  const mixed = noise.map((value, i) => signal * direction[i] + share * value);
  const [scaled] = await chain.stages[0].run([mixed], denoiser);
  const wanted = noise.map(
    (value, i) => schedule.signal(level) * direction[i] + schedule.noise(level) * value,
  );
  expect(share).toBeCloseTo(1, 12);
  expect(maxDifference(scaled, wanted)).toBeLessThan(1e-12);
});
