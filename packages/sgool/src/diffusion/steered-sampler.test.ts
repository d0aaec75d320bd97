import { expect, it } from 'vitest';
import { isPairSampler, type SamplerName, samplersOn } from './sampler-names.ts';
import { namedSampler } from './samplers/named-sampler.ts';
import { createSchedule } from './schedule.ts';
import { steeredSampler } from './steered-sampler.ts';
import { randomNormal, randomWeights, tanhDenoiser } from './testing.ts';
import { sample } from './trajectory.ts';

const SIZE = 6;
const STEPS = 5;
const noise = randomNormal(SIZE);
const path = createSchedule({
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  // Samplers of σ scale the noise first, in a stage that does not call the network.
  timestep_spacing: 'trailing',
});
const samplerOf = (sampler: SamplerName) =>
  namedSampler(
    path,
    {
      sampler,
      steps: STEPS,
      eta: 0,
      sigmas: 'model',
      stepEnds: 'reference',
      mixingWeight: 0.93,
      edictOutput: 'both',
    },
    { freshNoise: (step, length) => randomNormal(length, step + 1) },
  );

/** A network that notes what it sees. */
function watched() {
  const denoiser = tanhDenoiser(randomWeights(SIZE));
  const seen: { latent: Float64Array; timestep: number }[] = [];
  return {
    seen,
    denoiser: {
      ...denoiser,
      predict(latent: Float64Array, timestep: number) {
        seen.push({ latent, timestep });
        return denoiser.predict(latent, timestep);
      },
    },
  };
}

it.each(samplersOn('variance-preserving').filter((name) => !isPairSampler(name)))(
  '%s is steered once per step, at what the network sees',
  async (name) => {
    const sampler = samplerOf(name);
    const plain = watched();
    const wanted = await sample(sampler, plain.denoiser, noise);
    const steps: number[] = [];
    const same = steeredSampler(sampler, async (latent, step) => {
      steps.push(step);
      return latent;
    });
    expect(await sample(same, plain.denoiser, noise)).toEqual(wanted);
    expect(steps).toEqual(Array.from({ length: sampler.steps }, (_, i) => i));

    for (const where of [0, 2]) {
      const { seen, denoiser } = watched();
      const moved = steeredSampler(sampler, async (latent, step, timestep) => {
        if (step !== where) return latent;
        // What the network is about to see is what it sees without steering.
        const at = seen.length;
        expect(latent).toEqual(plain.seen[at].latent);
        expect(timestep).toBe(plain.seen[at].timestep);
        return latent.map((value) => value + 1);
      });
      const other = await sample(moved, denoiser, noise);
      expect(other).not.toEqual(wanted);
      const differs = seen.map(({ latent }, i) =>
        latent.some((value, k) => value !== plain.seen[i].latent[k]),
      );
      const first = differs.indexOf(true);
      seen[first].latent.forEach((value, k) => {
        expect(value).toBeCloseTo(plain.seen[first].latent[k] + 1, 12);
      });
    }
  },
);

it('has no gradient, and is not made of a pair', async () => {
  const sampler = steeredSampler(samplerOf('ddim'), async (latent) => latent);
  expect(() => sampler.stages[0].pullback([noise], [noise], watched().denoiser)).toThrow(/has no gradient/);
  expect(sampler.invertible).toBe(false);
  expect(() => steeredSampler(samplerOf('edict'), async (latent) => latent)).toThrow(
    'edict: its latents cannot be steered, they are a pair; take another sampler',
  );
});
