/**
 * @file Samplers on a rectified flow: as diffusers' where it has them, and by their order where the solution is known.
 *
 * The flow with a known solution is that of a Gaussian mixture, whose velocity is written out.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dot } from '../numbers.ts';
import type { Denoiser } from './denoiser.ts';
import { createFlowPath, type FlowSchedulerConfig } from './flow-path.ts';
import { fixedNoise } from './fresh-noise.ts';
import { invertChain } from './inversion.ts';
import { type NoisePath, timestepAt } from './noise-path.ts';
import type { Sampler } from './sampler.ts';
import { type SamplerName, samplersOn } from './sampler-names.ts';
import { midpoint } from './samplers/midpoint.ts';
import { freshNoiseCount, namedSampler, type SamplerSettings } from './samplers/named-sampler.ts';
import { reversibleHeun } from './samplers/reversible-heun.ts';
import {
  maxDifference,
  mixtureFlow,
  randomNormal,
  readFixture,
  stableSchedule,
  tanhDenoiser,
} from './testing.ts';
import { runTrajectory, sample } from './trajectory.ts';

const { runs } = JSON.parse(
  readFileSync(new URL('../../../../fixtures/data/flow-path.json', import.meta.url), 'utf8'),
) as {
  runs: { sampler: SamplerName; steps: number; config: FlowSchedulerConfig; latent: number[] }[];
};
const fixture = readFixture();
const fresh = readFixture('schedulers.safetensors')('fresh');
const network = {
  ...tanhDenoiser({ first: fixture('first'), second: fixture('second'), shift: fixture('shift') }),
  predicts: 'velocity' as const,
};
const noise = fixture('noise');
const size = noise.length;

const SETTINGS: Omit<SamplerSettings, 'sampler' | 'steps'> = {
  eta: 0,
  sigmas: 'model',
  stepEnds: 'reference',
  mixingWeight: 0.93,
  edictOutput: 'x',
};

/** A sampler with the fresh noise of the fixtures. */
function make(
  path: NoisePath,
  sampler: SamplerName,
  steps: number,
  more: Partial<SamplerSettings> = {},
): Sampler {
  const settings: SamplerSettings = { ...SETTINGS, sampler, steps, ...more };
  const draws = freshNoiseCount(path, settings);
  let drawn = 0;
  const given =
    draws === 0 ? undefined : fixedNoise(draws, size, () => fresh.subarray(drawn, (drawn += size)));
  return namedSampler(path, settings, { freshNoise: given });
}

const nameOf = ({ sampler, steps, config }: (typeof runs)[number]) =>
  `${sampler} ${steps} ${JSON.stringify(config).slice(1, -1)}`;

describe('as diffusers', () => {
  it.each(runs.map((run) => [nameOf(run), run] as const))(
    '%s',
    async (_, { sampler, steps, config, latent }) => {
      const [found] = await sample(make(createFlowPath(config, 1024), sampler, steps), network, noise);
      expect(maxDifference(found, latent)).toBeLessThan(3e-6);
    },
  );
});

describe('stochastic sampling', () => {
  it("is one step, by the key of Euler's class and by lcm", async () => {
    const file = createFlowPath({ shift: 3, stochastic_sampling: true }, 1024);
    const path = createFlowPath({ shift: 3 }, 1024);
    const [byKey, byName] = [make(file, 'euler', 4), make(path, 'lcm', 4)].map((one) =>
      sample(one, network, noise),
    );
    expect(await byKey).toEqual(await byName);
    expect(await byKey).not.toEqual(await sample(make(path, 'euler', 4), network, noise));
    expect(() => namedSampler(file, { ...SETTINGS, sampler: 'euler', steps: 2 })).toThrow(
      'euler: more than one step needs freshNoise, a source of noise',
    );
    expect(freshNoiseCount(path, { sampler: 'euler', steps: 4, eta: 0 })).toBe(0);
  });
});

/** 6 means in 32 dimensions: far enough apart that the flow has to choose. */
const MEANS = Array.from({ length: 6 }, (_, k) => randomNormal(32, 100 + k));
const mixture = mixtureFlow({ means: MEANS, deviation: 0.3 });
const starts = [1, 2, 3, 4].map((seed) => randomNormal(32, seed));
const sd3 = createFlowPath({ shift: 3 }, 1024);

describe('the flow of a mixture', () => {
  const ends = starts.map(async (start) => (await sample(midpoint(sd3, 500), mixture, start))[0]);
  /** The mean error of a sampler, as a share of the solution. */
  async function errorOf(name: SamplerName, steps: number): Promise<number> {
    const errors = starts.map(async (start, i) => {
      const [found] = await sample(make(sd3, name, steps), mixture, start);
      const end = await ends[i];
      const off = found.map((value, k) => value - end[k]);
      return Math.sqrt(dot(off, off) / dot(end, end));
    });
    return (await Promise.all(errors)).reduce((sum, error) => sum + error / errors.length, 0);
  }

  it('has the pullback of its velocity', async () => {
    const [at, along, cotangent] = [randomNormal(32, 7), randomNormal(32, 8), randomNormal(32, 9)];
    for (const timestep of [1000, 700, 100]) {
      const moved = (by: number) =>
        mixture.predict(
          at.map((value, i) => value + by * along[i]),
          timestep,
        );
      const [up, down] = [await moved(1e-5), await moved(-1e-5)];
      const slope = dot(
        cotangent,
        up.map((value, i) => (value - down[i]) / 2e-5),
      );
      expect(dot(await mixture.pullback(at, timestep, cotangent), along) / slope).toBeCloseTo(1, 6);
    }
  });

  it.each<[SamplerName, number]>([
    ['euler', 1],
    ['ddim', 1],
    ['edict', 1],
    ['heun', 2],
    ['midpoint', 2],
    ['reversible-heun', 2],
  ])('is solved by %s at order %i', async (name, order) => {
    const [coarse, fine] = [await errorOf(name, 40), await errorOf(name, 80)];
    expect(Math.log2(coarse / fine)).toBeGreaterThan(order - 0.25);
    expect(Math.log2(coarse / fine)).toBeLessThan(order + 0.5);
  });

  it('is solved best by midpoint, then reversible Heun, then Euler, in few steps', async () => {
    const [first, second, third] = await Promise.all(
      (['midpoint', 'reversible-heun', 'euler'] as const).map((name) => errorOf(name, 8)),
    );
    expect(first * 3).toBeLessThan(second);
    expect(second * 3).toBeLessThan(third);
    expect(await errorOf('lms', 80)).toBeLessThan((await errorOf('euler', 80)) / 10);
  });
});

describe('gradients on a flow', () => {
  const cases = samplersOn('rectified-flow').flatMap((name) =>
    (['ddim', 'euler'].includes(name) ? [0, 0.7] : [0]).map((eta) => [name, eta] as const),
  );
  it.each(cases)('of %s, eta or stochastic sampling %d: are those of differences', async (name, eta) => {
    const path = createFlowPath({ shift: 3, stochastic_sampling: name === 'euler' && eta > 0 }, 1024);
    const sampler = make(path, name, 4, name === 'ddim' ? { eta } : {});
    const direction = randomNormal(size, 5);
    const at = async (by: number) => {
      const [end] = await sample(
        sampler,
        network,
        noise.map((value, i) => value + by * direction[i]),
      );
      return dot(end, end) / 2;
    };
    const slope = ((await at(3e-4)) - (await at(-3e-4))) / 6e-4; // EDICT rounds to a grid
    for (const kind of sampler.invertible
      ? (['checkpointed', 'invertible'] as const)
      : (['checkpointed'] as const)) {
      const trajectory = await runTrajectory(kind, sampler, network, noise);
      const gradient = await trajectory.pullback(trajectory.final);
      expect(dot(gradient, direction) / slope).toBeCloseTo(1, 4);
    }
  });
});

/** A network whose input and output are float32, as real ones are. */
const float32: Denoiser = mixtureFlow({ means: MEANS, deviation: 0.3 }, { float32: true });

describe('reversible Heun', () => {
  it('walks the pair of its equations, at one call per step and one more', async () => {
    const steps = 5;
    const { levels } = sd3.stops(steps);
    const speed = (latent: Float64Array, level: number) => mixture.predict(latent, timestepAt(sd3, level));
    let [y, seen] = [starts[0], starts[0]];
    let v = await speed(seen, levels[0]);
    for (let i = 0; i < steps; i++) {
      const h = levels[i + 1] - levels[i];
      const next = seen.map((value, k) => 2 * y[k] - value + h * v[k]);
      const there = await speed(next, levels[i + 1]);
      y = y.map((value, k) => value + (h / 2) * (v[k] + there[k]));
      [seen, v] = [next, there];
    }
    const before = mixture.evaluations.forward;
    const sampler = reversibleHeun(sd3, steps);
    const [end] = await sample(sampler, mixture, starts[0]);
    expect(mixture.evaluations.forward - before).toBe(steps + 1);
    expect(maxDifference(end, y)).toBeLessThan(1e-6); // levels of float32, and the grid
    expect(sampler.stages.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 4]);
  });

  it.each([1, 4, 28, 100])('is undone to the last bit, with %i steps of a float32 network', async (steps) => {
    const sampler = reversibleHeun(sd3, steps);
    expect(sampler.invertible).toBe(true);
    for (const start of starts) {
      let state = sampler.initial(start);
      for (const stage of sampler.stages) state = await stage.run(state, float32);
      const [first] = await invertChain(sampler, float32, state);
      expect(first).toEqual(sampler.initial(start));
      expect(maxDifference(first[1], start)).toBeLessThan(1e-9);
    }
  });

  it('comes back to an image that was inverted', async () => {
    const sampler = reversibleHeun(sd3, 28);
    const image = MEANS[2].map((value, i) => value + 0.3 * starts[0][i]);
    const [first] = await invertChain(sampler, float32, [image, image]);
    const [again] = await sample(sampler, float32, first);
    expect(maxDifference(again, image)).toBeLessThan(1e-9);
    // What it was inverted to is noise: of about its length.
    expect(Math.sqrt(dot(first[1], first[1]) / 32)).toBeGreaterThan(0.6);
    expect(Math.sqrt(dot(first[1], first[1]) / 32)).toBeLessThan(1.6);
  });

  it('keeps no latents but the last for its gradient, and has that of the chain that keeps all', async () => {
    const sampler = reversibleHeun(sd3, 6);
    const gradients: Float64Array[] = [];
    for (const kind of ['checkpointed', 'invertible'] as const) {
      const trajectory = await runTrajectory(kind, sampler, float32, starts[1]);
      expect(trajectory.retainedLatents).toBe(kind === 'invertible' ? 2 : 16);
      gradients.push(await trajectory.pullback([starts[2]]));
    }
    expect(gradients[0]).toEqual(gradients[1]);
  });

  it('starts from one latent or a pair, and begins later with half a step', async () => {
    const sampler = reversibleHeun(sd3, 4, { firstStep: 2 });
    expect(() => sampler.initial([])).toThrow('reversible-heun: starts from one latent or two, got 0');
    const { levels, timesteps } = sd3.stops(4);
    const [kick] = sampler.stages;
    const [seen, result] = await kick.run(sampler.initial(starts[0], 2), mixture);
    const v = await mixture.predict(starts[0], timesteps[2]);
    const half = (levels[3] - levels[2]) / 2;
    expect(
      maxDifference(
        result,
        starts[0].map((value, i) => value + half * v[i]),
      ),
    ).toBeLessThan(1e-9);
    expect(
      maxDifference(
        seen,
        starts[0].map((value, i) => value + 2 * half * v[i]),
      ),
    ).toBeLessThan(1e-9);
  });
});

describe('midpoint', () => {
  it.each<[string, NoisePath]>([
    ['a variance-preserving path, in x and σ', stableSchedule()],
    ['a flow', sd3],
  ])('takes the slope in the middle of each step of %s', async (_, path) => {
    const isFlow = path.kind === 'rectified-flow';
    const stops = path.stops(3, { rule: 'heun' });
    const [scale, time] = isFlow
      ? [() => 1, (s: number) => s]
      : [(level: number) => Math.sqrt(level), (level: number) => Math.sqrt((1 - level) / level)];
    let y = noise.map((value) => (value * stops.startScale) / scale(stops.levels[0]));
    for (const [i, timestep] of stops.timesteps.entries()) {
      const [now, next] = [stops.levels[i], stops.levels[i + 1]].map(time);
      const first = await network.predict(
        y.map((value) => value * scale(stops.levels[i])),
        timestep,
      );
      const middle = (now + next) / 2;
      const level = isFlow ? middle : 1 / (1 + middle ** 2);
      const there = y.map((value, k) => (value + (middle - now) * first[k]) * scale(level));
      const slope = await network.predict(there, isFlow ? 1000 * middle : path.timestepOfRatio(middle));
      y = y.map((value, k) => value + (next - now) * slope[k]);
    }
    const [end] = await sample(midpoint(path, 3), network, noise);
    expect(maxDifference(end, y)).toBeLessThan(1e-9);
  });
});
