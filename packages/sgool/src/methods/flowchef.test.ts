/** FlowChef steers with one network evaluation per step, by the gradient of the predicted image alone. */
import { describe, expect, it } from 'vitest';
import type { Denoiser } from '../diffusion/denoiser.ts';
import { createFlowPath } from '../diffusion/flow-path.ts';
import type { NoisePath } from '../diffusion/noise-path.ts';
import { maxDifference } from '../diffusion/testing.ts';
import { UserError } from '../errors.ts';
import type { Objective } from '../objectives/objective.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { useTinyPipeline } from '../pipeline/testing/tiny-pipeline.ts';
import type { MethodRequest } from '../request/request.ts';
import { methods } from './index.ts';
import type { Iteration } from './run/iteration.ts';
import { requestTo } from './testing.ts';

let pipeline: Pipeline;
useTinyPipeline((opened) => {
  pipeline = opened;
});

const request: MethodRequest = {
  prompt: 'a red cat and a blue boat',
  seed: 5,
  steps: 3,
  sampler: 'ddim',
  cutouts: 0,
  objective: 'clip',
};
const flow = createFlowPath({ shift: 3 }, 64);

/** A pipeline that notes what its networks are asked, on a path. */
function watched(path?: NoisePath) {
  const seen: { latent: Float64Array; timestep: number; prediction: Float64Array }[] = [];
  const looked: { image: Float64Array; gradient: Float64Array }[] = [];
  const watching: Pipeline = {
    ...pipeline,
    ...(path && { noisePath: () => path }),
    async denoiser(options) {
      const denoiser: Denoiser = await pipeline.denoiser(options);
      return {
        ...denoiser,
        async predict(latent, timestep) {
          const prediction = await denoiser.predict(latent, timestep);
          seen.push({ latent, timestep, prediction });
          return prediction;
        },
        pullback() {
          throw new Error('no gradient of the network is needed');
        },
      };
    },
    async objective(options) {
      const objective: Objective = await pipeline.objective(options);
      return {
        ...objective,
        async evaluate(image, input) {
          const result = await objective.evaluate(image, input);
          looked.push({ image, gradient: result.gradient });
          return result;
        },
      };
    },
  };
  return { watching, seen, looked };
}

async function run(given: Pipeline, more: Partial<MethodRequest> = {}): Promise<Iteration[]> {
  const all: Iteration[] = [];
  for await (const done of methods.flowchef.run(given, requestTo('flowchef', { ...request, ...more })))
    all.push(done);
  return all;
}

describe.each<[string, () => NoisePath]>([
  ['a variance-preserving path', () => pipeline.noisePath({ width: 32, height: 32 })],
  ['a rectified flow', () => flow],
])('flowchef on %s', (_, pathOf) => {
  it('calls the network once per step, and steps from the moved latent with what it said', async () => {
    const path = pathOf();
    const { watching, seen, looked } = watched(path);
    const [plain, guided] = await run(watching);
    expect(guided.image.data).not.toEqual(plain.image.data);
    expect(seen).toHaveLength(6);
    expect(looked).toHaveLength(3);
    const { levels, timesteps } = path.stops(3);
    for (const [i, { latent, prediction, timestep }] of seen.slice(3, 5).entries()) {
      const clean = path.cleanLatent(path.level(timesteps[i]));
      expect(timestep).toBe(timesteps[i]);
      expect(
        maxDifference(
          looked[i].image,
          latent.map((value, k) => clean.latent * value + clean.prediction * prediction[k]),
        ),
      ).toBe(0);
      // The first step of Adam is the sign of the gradient.
      const moved = latent.map((value, k) => value - 0.03 * Math.sign(looked[i].gradient[k]));
      const step = path.step(levels[i], levels[i + 1]);
      const next = moved.map((value, k) => step.latent * value + step.prediction * prediction[k]);
      expect(maxDifference(seen[i + 4].latent, next)).toBeLessThan(1e-5);
    }
  });

  it('moves as often, as far and as long as it is told', async () => {
    const path = pathOf();
    const { watching, seen, looked } = watched(path);
    await run(watching, { steeringSteps: 3, steeringRate: 0.2, steeringStop: 0.4 });
    // Two of three steps begin before 40 % of the chain.
    expect(looked).toHaveLength(6);
    expect(seen).toHaveLength(6);
    const { latent, timestep } = seen[3];
    const clean = path.cleanLatent(path.level(timestep));
    const away = (i: number) => maxDifference(looked[i].image, looked[0].image) / clean.latent;
    expect(latent).toEqual(seen[0].latent);
    expect(away(1)).toBeCloseTo(0.2, 3);
    expect(away(2)).toBeGreaterThan(0.3);
    expect(away(2)).toBeLessThan(0.41);
  });

  it('leaves the step alone that begins where it stops', async () => {
    const { watching, looked } = watched(pathOf());
    await run(watching, { steps: 4, steeringStop: 0.5 });
    expect(looked).toHaveLength(2);
  });

  it('lowers the loss of the image', async () => {
    const { watching, looked } = watched(pathOf());
    const rounds = await run(watching, { steeringSteps: 4, steps: 6 });
    expect(looked).toHaveLength(24);
    expect(rounds[1].clip.A).toBeGreaterThan(rounds[0].clip.A ?? Number.POSITIVE_INFINITY);
  });
});

describe('flowchef', () => {
  it.each(['heun', 'midpoint', 'euler', 'dpm-solver', 'unipc', 'lms', 'euler-ancestral'] as const)(
    'goes with the sampler %s',
    async (sampler) => {
      const { watching, seen, looked } = watched(flow);
      const [plain, guided] = await run(watching, { sampler });
      expect(guided.image.data).not.toEqual(plain.image.data);
      expect(looked).toHaveLength(3);
      // As many calls as the plain image.
      expect(seen.length % 2).toBe(0);
      expect(seen[seen.length / 2].latent).toEqual(seen[0].latent);
    },
  );

  it('needs no gradient of the network for its cost', async () => {
    const rounds = await run(pipeline);
    expect(rounds[1].evaluations.pullback).toBe(0);
    expect(rounds[1].evaluations.forward).toBe(2 * rounds[0].evaluations.forward);
  });

  it('refuses pairs of latents, and takes none from a hint for all methods', async () => {
    for (const sampler of ['edict', 'reversible-heun'] as const)
      await expect(run(pipeline, { sampler })).rejects.toThrow(`sampler is not usable, got "${sampler}"`);
    const hinted = { ...pipeline.model, hint: { '*': { sampler: 'reversible-heun' as const } } };
    expect(methods.flowchef.defaults(hinted)).toMatchObject({ sampler: 'ddim', keep: 'last' });
  });

  it('refuses a model whose prediction is the clean latent', async () => {
    const path = { ...pipeline.noisePath({ width: 32, height: 32 }), predicts: 'clean' } as const;
    const failing = run({ ...pipeline, noisePath: () => path });
    await expect(failing).rejects.toThrow(UserError);
    await expect(failing).rejects.toThrow(
      /^flowchef: this model predicts the clean latent itself .* use clip-guided$/,
    );
  });

  it('stops between the steps of Adam', async () => {
    const stop = new AbortController();
    const { watching, looked } = watched();
    const { objective } = watching;
    const stopping: Pipeline = {
      ...watching,
      async objective(options) {
        const made = await objective(options);
        return {
          ...made,
          evaluate: async (image, input) => {
            stop.abort(new Error('enough'));
            return made.evaluate(image, input);
          },
        };
      },
    };
    const all = methods.flowchef.run(stopping, requestTo('flowchef', { ...request, steeringSteps: 5 }), {
      signal: stop.signal,
    });
    await all.next();
    await expect(all.next()).rejects.toThrow('enough');
    expect(looked).toHaveLength(1);
  });
});
