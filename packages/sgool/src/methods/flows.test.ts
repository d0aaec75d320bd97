import { afterAll, describe, expect, it } from 'vitest';
import { SAMPLER_NAMES, type SamplerName } from '../diffusion/sampler-names.ts';
import { createImage } from '../image/image.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type TinyFlow, writeTinyFlow } from '../pipeline/testing.ts';
import { Generator } from '../random/generator.ts';
import { DryRunPrograms } from '../runtime/dry-run.ts';
import { defined } from '../testing.ts';
import { messageOf } from '../weights/testing.ts';
import { refine } from './edit/refine.ts';
import { METHOD_NAMES, type MethodName, methods } from './index.ts';
import type { Iteration } from './run/iteration.ts';
import { requestTo } from './testing.ts';

const size = { width: 32, height: 32 };
const request = { prompt: 'a cat and a dog', seed: 5, steps: 3, iterations: 1, cutouts: 2, ...size };

const picture = createImage(
  32,
  32,
  Uint8Array.from(new Generator(1).rand([32 * 32 * 3]), (value) => 255 * value),
);

/** Samplers whose formula needs a variance-preserving path. */
const UNSUPPORTED: readonly SamplerName[] = ['pndm', 'dpm-sde', 'tcd'];

async function collect(iterations: AsyncGenerator<Iteration>): Promise<Iteration[]> {
  const all: Iteration[] = [];
  for await (const iteration of iterations) all.push(iteration);
  return all;
}

const opened = new Map<TinyFlow, Promise<Pipeline>>();
const removals: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const pipeline of opened.values()) await (await pipeline).dispose();
  for (const remove of removals) await remove();
});

function pipelineOf(name: TinyFlow): Promise<Pipeline> {
  const pipeline = opened.get(name) ?? open(name);
  opened.set(name, pipeline);
  return pipeline;
}

async function open(name: TinyFlow): Promise<Pipeline> {
  const { dir, remove } = await writeTinyFlow(name);
  removals.push(remove);
  return loadPipeline(dir, { threads: 1 });
}

describe.each(['sd3-without-t5', 'flux-dev'] as const satisfies TinyFlow[])('%s', (name) => {
  const run = async (method: MethodName) =>
    collect(methods[method].run(await pipelineOf(name), requestTo(method, request)));

  it.each(METHOD_NAMES.filter((method) => method !== 'attend-and-excite'))(
    'runs %s: the plain image first, then one per round, the same bytes for the same seed',
    async (method) => {
      const rounds = await run(method);
      expect(rounds.map(({ iteration }) => iteration)).toEqual(
        Array.from({ length: defined(rounds.at(-1)).iterations + 1 }, (_, i) => i),
      );
      expect(rounds[0].latent).toEqual(Float64Array.from(new Generator(5).randn([1, 16, 8, 8])));
      for (const { image, clip } of rounds) {
        expect(image).toMatchObject(size);
        expect(clip.A).toBeTypeOf('number');
      }
      if (rounds.length > 1) expect(rounds[1].image.data).not.toEqual(rounds[0].image.data);
      const again = await run(method);
      expect(again.map(({ image }) => image.data)).toEqual(rounds.map(({ image }) => image.data));
    },
  );

  it('refines an image: inverts it to a noise that makes it, and moves on from there', async () => {
    const pipeline = await pipelineOf(name);
    const { prompt, seed, steps } = request;
    const settings = {
      ...size,
      image: picture,
      prompt,
      seed,
      steps,
      iterations: 1,
      saliency: 'centre',
    } as const;
    const { before, last } = await refine(settings, { pipeline });
    const kept = await pipeline.decode(await pipeline.encode(picture), size);
    const differences = before.image.data.map((value, i) => Math.abs(value - kept.data[i]));
    expect(Math.max(...differences)).toBeLessThanOrEqual(1);
    expect(last.image.data).not.toEqual(before.image.data);
    expect(pipeline.model.inversion).toEqual({
      sampler: 'reversible-heun',
      guidanceScale: name === 'flux-dev' ? 3.5 : 1,
    });
  });

  it('noises an image and samples it again', async () => {
    const { prompt, seed } = request;
    const settings = {
      ...size,
      image: picture,
      prompt,
      seed,
      steps: 4,
      edit: 'sdedit',
      strength: 0.5,
    } as const;
    const { before } = await refine(settings, { pipeline: await pipelineOf(name) });
    expect(before.evaluations.forward).toBe(name === 'flux-dev' ? 2 : 4);
  });

  it('takes an image to noise and back by RF-inversion, optimises that noise, and keeps what a mask protects', async () => {
    const pipeline = await pipelineOf(name);
    const { prompt, seed } = request;
    const phases: string[] = [];
    const settings = { ...size, image: picture, prompt, seed, steps: 4, edit: 'rf-inversion' } as const;
    const onStep = ({ phase, step }: { phase: string; step: number }) => void phases.push(`${phase} ${step}`);
    const { before } = await refine({ ...settings, controlStop: 0.5 }, { pipeline, onStep });
    // SD3 is guided on the way to the prompt alone.
    expect(before.evaluations.forward).toBe(name === 'flux-dev' ? 4 + 4 : 4 + 2 * 4);
    expect(phases).toEqual(
      ['invert', 'denoise'].flatMap((phase) => [1, 2, 3, 4].map((i) => `${phase} ${i}`)),
    );
    const kept = await pipeline.decode(await pipeline.encode(picture), size);
    const home = { ...settings, controlEta: 1, controlStop: 1 };
    expect((await refine(home, { pipeline })).before.image).toEqual(kept);
    const others = [
      { controlGamma: 0 },
      { controlEta: 0.2 },
      { controlStop: 0.5 },
      { controlStart: 0.25, controlStop: 0.5 },
      { sourcePrompt: 'a dog' },
      { seed: 6 },
      { strength: 0.5 },
    ];
    const pictures = await Promise.all(
      [{}, ...others].map(
        async (other) => (await refine({ ...settings, ...other }, { pipeline })).before.image,
      ),
    );
    expect(new Set(pictures.map(({ data }) => data.join())).size).toBe(others.length + 1);

    const mask = createImage(
      32,
      32,
      picture.data.map((_, i) => (Math.floor(i / 3) % 32 < 16 ? 255 : 0)),
    );
    const optimised = { ...settings, mask, iterations: 1, saliency: 'centre' } as const;
    const { before: first, last } = await refine(optimised, { pipeline });
    expect(last.image.data).not.toEqual(first.image.data);
    const changed = last.image.data.map((value, i) => Math.abs(value - picture.data[i]));
    expect(changed.every((value, i) => Math.floor(i / 3) % 32 < 16 || value === 0)).toBe(true);
    expect(changed.some((value) => value > 0)).toBe(true);
  });

  it('says where RF-inversion draws no step back to the image', async () => {
    const pipeline = await pipelineOf(name);
    const notesOf = async (steps: number) => {
      const notes: string[] = [];
      const settings = {
        ...size,
        image: picture,
        prompt: 'a cat',
        seed: 1,
        steps,
        edit: 'rf-inversion',
      } as const;
      await refine(settings, { pipeline, onNote: (text) => void notes.push(text) });
      return notes.filter((text) => text.includes('drawn back'));
    };
    expect(await notesOf(3)).toEqual([
      expect.stringMatching(
        /^no step is drawn back to the image: of 3 steps none begins between 0 .* and 0\.25 /,
      ),
    ]);
    expect(await notesOf(4)).toEqual([]);
  });

  it('says in one line that it has no cross-attention', async () => {
    expect(await messageOf(run('attend-and-excite'))).toContain(
      'its network has no cross-attention, which this needs',
    );
  });
});

it.each(SAMPLER_NAMES)('optimises the noise through %s, or says in one line why not', async (sampler) => {
  const pipeline = await pipelineOf('flux-dev');
  const settings = { ...request, sampler };
  const rounds = collect(methods.sgool.run(pipeline, requestTo('sgool', settings)));
  if (UNSUPPORTED.includes(sampler)) {
    expect(await messageOf(rounds)).toContain(`sampler: ${sampler} is not supported on a rectified flow`);
    return;
  }
  const [before, after] = await rounds;
  expect(after.latent).not.toEqual(before.latent);
  expect(after.image.data).not.toEqual(before.image.data);
});

it('optimises one step of a model like schnell by ReNO, at one evaluation and one pullback an iteration', async () => {
  const pipeline = await pipelineOf('flux-schnell');
  const settings = { ...request, steps: 1, iterations: 2, cutouts: 0, lambda: 0, optimiser: 'reno' } as const;
  const rounds = await collect(methods.sgool.run(pipeline, requestTo('sgool', settings)));
  expect(rounds.map(({ evaluations }) => evaluations)).toEqual([
    { forward: 1, pullback: 0 },
    { forward: 2, pullback: 1 },
    { forward: 3, pullback: 2 },
  ]);
  const losses = rounds.map(({ loss }) => defined(loss?.total));
  expect(Math.min(...losses.slice(1))).toBeLessThan(losses[0]);
});

it.each(['sd3', 'flux-schnell'] as const)('is counted by a dry run, computing nothing: %s', async (name) => {
  const { dir, remove } = await writeTinyFlow(name);
  removals.push(remove);
  let programs: DryRunPrograms | undefined;
  const pipeline = await loadPipeline(dir, {
    programs: (options) => (programs = new DryRunPrograms(options)),
  });
  const rounds = await collect(methods.sgool.run(pipeline, requestTo('sgool', request)));
  const runs = (pattern: RegExp) =>
    [...defined(programs).counts.run]
      .filter(([key]) => pattern.test(key))
      .reduce((sum, [key, count]) => sum + count * Number(/(\d)x1x16/.exec(key)?.[1]), 0);
  const counted = { forward: runs(/^transformer \d/), pullback: runs(/^transformer pullback/) };
  expect(counted).toEqual(defined(rounds.at(-1)).evaluations);
  // Each layer of T5 once, for both prompts.
  const layers = [...defined(programs).counts.run].filter(([key]) => /^text_encoder_\d layer/.test(key));
  expect(layers.map(([, count]) => count)).toEqual([2, 2]);
});
