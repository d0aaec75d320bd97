/** @file Skip-layer guidance as diffusers has it, and RF-inversion by its algorithms, on whole tiny models. */
import { afterAll, describe, expect, it } from 'vitest';
import { controlledSampler, invertControlled } from '../diffusion/controlled-flow.ts';
import { euler } from '../diffusion/samplers/euler.ts';
import { readFixture } from '../diffusion/testing.ts';
import { runTrajectory } from '../diffusion/trajectory.ts';
import type { DenoiserOptions } from '../models/backbone.ts';
import { relativeError } from '../networks/testing.ts';
import { messageOf } from '../weights/testing.ts';
import { loadPipeline } from './load-pipeline.ts';
import type { Pipeline } from './pipeline.ts';
import { type TinyFlow, writeTinyFlow } from './testing.ts';

const read = readFixture('flow-guidance.safetensors');
const size = { width: 32, height: 32 };
const prompt = 'a photo of a cat';
const STEPS = 6;

const opened = new Map<TinyFlow, Promise<Pipeline>>();
const removals: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const pipeline of opened.values()) await (await pipeline).dispose();
  for (const remove of removals) await remove();
});
function pipelineOf(name: TinyFlow): Promise<Pipeline> {
  const open = async () => {
    const { dir, remove } = await writeTinyFlow(name);
    removals.push(remove);
    return loadPipeline(dir, { threads: 1 });
  };
  const pipeline = opened.get(name) ?? open();
  opened.set(name, pipeline);
  return pipeline;
}

describe('skip-layer guidance', () => {
  const skip = { layers: [0], scale: 2.8, start: 0.1, stop: 0.7 };
  async function run(changes: Partial<DenoiserOptions> = {}, name: TinyFlow = 'sd3') {
    const pipeline = await pipelineOf(name);
    const sampler = euler(pipeline.noisePath(size), STEPS);
    const { timesteps } = sampler;
    const guided = { prompt, negativePrompt: 'dog', guidanceScale: 4, timesteps, skipLayerGuidance: skip };
    const evaluations = { forward: 0, pullback: 0 };
    const denoiser = await pipeline.denoiser({ ...size, ...guided, evaluations, ...changes });
    const trajectory = await runTrajectory('checkpointed', sampler, denoiser, read('noise'));
    return { final: trajectory.final[0], trajectory, evaluations };
  }

  it('has the latents of diffusers, the gradient of torch, and one evaluation more in the steps that skip', async () => {
    const { final, trajectory, evaluations } = await run();
    expect(relativeError(final, read('skip.latent'))).toBeLessThan(1e-4);
    expect(relativeError(final, read('skip.final'))).toBeLessThan(3e-5);
    expect(evaluations).toEqual({ forward: 2 * STEPS + 4, pullback: 0 });
    const gradient = await trajectory.pullback([read('cotangent')]);
    expect(relativeError(gradient, read('skip.gradient'))).toBeLessThan(1e-4);
    expect(evaluations.pullback).toBe(2 * STEPS + 4);
  });

  it('is only where classifier-free guidance is', async () => {
    const { final, evaluations } = await run({ guidanceScale: 1 });
    expect(final).toEqual((await run({ guidanceScale: 1, skipLayerGuidance: undefined })).final);
    expect(evaluations.forward).toBe(STEPS);
    // Steps 1 to 4 skip, and from step 3 on nothing is guided.
    const partly = await run({ guidanceStop: 0.2 });
    expect(partly.evaluations.forward).toBe(2 + 2 * 3 + 3 * 1);
  });

  it.each<[string, Partial<DenoiserOptions>, TinyFlow, string]>([
    [
      'by a network that has no such layers',
      {},
      'flux-schnell',
      'request: skipGuidanceLayers must be empty for this model, got 0; only Stable Diffusion 3',
    ],
    [
      'of a layer that is not there',
      { skipLayerGuidance: { ...skip, layers: [0, 2] } },
      'sd3',
      'request: skipGuidanceLayers must be layers from 0 to 1 for this model, got 0,2',
    ],
    [
      'together with rescaling',
      { guidanceRescale: 0.7 },
      'sd3',
      'guidanceRescale: 0.7 does not go together with skipped layers',
    ],
    [
      'without the times of the steps',
      { timesteps: undefined },
      'sd3',
      'give timesteps, those of the sampler',
    ],
  ])('is refused %s', async (_, changes, name, message) => {
    expect(await messageOf(run(changes, name))).toContain(message);
  });
});

describe.each([
  { name: 'flux-schnell', key: 'schnell', guidanceScale: 0 },
  { name: 'flux-dev', key: 'dev', guidanceScale: 3.5 },
] as const)('RF-inversion, $key', ({ name, key, guidanceScale }) => {
  it('has the noise and the edited latent of the algorithms, and its gradient', async () => {
    const pipeline = await pipelineOf(name);
    const path = pipeline.noisePath(size);
    const stops = path.stops(STEPS);
    const [noise, clean] = [read('noise'), read('clean')];
    const source = await pipeline.denoiser({ ...size, prompt: '', guidanceScale: 0 });
    const states = await invertControlled(path, stops, source, clean, { latent: noise, share: 0.5 });
    const [inverted] = states[0];
    expect(relativeError(inverted, read(`${key}.inverted`))).toBeLessThan(3e-5);

    const target = await pipeline.denoiser({ ...size, prompt, guidanceScale });
    const sampler = controlledSampler(path, stops, { latent: clean, share: 0.9 }, [1, 4]);
    const trajectory = await runTrajectory('checkpointed', sampler, target, inverted);
    expect(relativeError(trajectory.final[0], read(`${key}.edited`))).toBeLessThan(3e-5);
    const gradient = await trajectory.pullback([read('cotangent')]);
    expect(relativeError(gradient, read(`${key}.gradient`))).toBeLessThan(1e-4);
  });
});
