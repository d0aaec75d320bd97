/** @file Refining clips, of which a picture is one frame: a tiny model with the adapter of fixtures/make/animate_diff.py. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { createImage, type Image } from '../../image/image.ts';
import { frameLatent } from '../../models/frames.ts';
import { FIXTURES, relativeError } from '../../networks/testing.ts';
import { mean } from '../../numbers.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { useTinyPipeline } from '../../pipeline/testing/tiny-pipeline.ts';
import { Generator } from '../../random/generator.ts';
import { defined } from '../../testing.ts';
import { openSafetensors, readTensor } from '../../weights/formats/safetensors.ts';
import { estimateRun } from '../estimate.ts';
import type { Iteration, MethodState, StepProgress } from '../run/iteration.ts';
import { refine, refinement } from './refine.ts';
import { methodRequest, parseRefineRequest, type RefineRequest } from './refine-request.ts';

const motion = `${FIXTURES}motion/adapter`;
const size = { width: 32, height: 32 };

/** Smooth frames with a bright square that moves. */
function clipOf(count: number): Image[] {
  const random = new Generator(1).rand([3]);
  return Array.from({ length: count }, (_, f) =>
    createImage(
      32,
      32,
      Uint8Array.from({ length: 3 * 32 * 32 }, (_, i) => {
        const [x, y] = [Math.floor(i / 3) % 32, Math.floor(i / 96)];
        const isSquare = Math.abs(x - 8 - 4 * f) < 4 && Math.abs(y - 16) < 4;
        return isSquare ? 240 : 4 * x + 90 * random[i % 3];
      }),
    ),
  );
}

const frames = clipOf(3);
const clip = { frames, fps: 6 };
const [image] = frames;
/** White on the left half. */
const mask = createImage(
  32,
  32,
  Uint8Array.from(image.data, (_, i) => (Math.floor(i / 3) % 32 < 16 ? 255 : 0)),
);
const request = {
  image: clip,
  prompt: 'a red cat',
  seed: 5,
  steps: 3,
  iterations: 1,
  saliency: 'centre',
} as const satisfies RefineRequest;

let pipeline: Pipeline;
let dir: string;
useTinyPipeline(
  (opened, folder) => {
    pipeline = opened;
    dir = folder;
  },
  { motion, threads: 1 },
);

const mostApart = (a: Image, b: Image) => Math.max(...a.data.map((value, i) => Math.abs(value - b.data[i])));
const comparable = ({ seconds: _, ...rest }: Iteration) => rest;

/** What the autoencoder keeps of each frame. */
async function keptOf(images: readonly Image[]): Promise<Image[]> {
  const kept: Image[] = [];
  for (const one of images) kept.push(await pipeline.decode(await pipeline.encode(one), one));
  return kept;
}

describe('as diffusers noises a clip and samples it again', () => {
  it('sdedit', async () => {
    const file = await openSafetensors(`${FIXTURES}video-to-video.safetensors`);
    const [pixels, latents] = [await readTensor(file, 'clip'), await readTensor(file, 'latents')];
    const given = Array.from({ length: 3 }, (_, f) =>
      createImage(32, 32, Uint8Array.from(pixels.subarray(f * 3072, (f + 1) * 3072))),
    );
    const loaded = await loadPipeline(`${FIXTURES}pipeline`, { motion, threads: 1 });
    const decoded: Float64Array[] = [];
    const watched: Pipeline = {
      ...loaded,
      decode(latent, wanted) {
        decoded.push(latent);
        return loaded.decode(latent, wanted);
      },
    };
    await refine(
      {
        image: { frames: given, fps: 8 },
        prompt: 'a photo of a cat',
        negativePrompt: 'dog',
        edit: 'sdedit',
        strength: 0.7,
        guidanceScale: 3,
        steps: 5,
        sampler: 'ddim',
        seed: 0,
      },
      { pipeline: watched },
    );
    expect(decoded).toHaveLength(3);
    for (const [f, latent] of decoded.entries()) {
      const wanted = frameLatent(Float64Array.from(latents), [1, 4, 3, 8, 8], f);
      expect(relativeError(latent, Float32Array.from(wanted)), `frame ${f}`).toBeLessThan(2e-5);
    }
    await loaded.dispose();
  });
});

describe('a clip', () => {
  it('begins with what the autoencoder keeps of each frame, and moves on from there', async () => {
    const steps: StepProgress[] = [];
    const { input, inputFrames, before, last } = await refine(request, {
      pipeline,
      onStep: (step) => void steps.push(step),
    });
    expect(inputFrames).toEqual(frames);
    expect(input).toEqual(frames[1]);
    for (const [f, kept] of (await keptOf(frames)).entries())
      expect(mostApart(defined(before.frames)[f], kept), `frame ${f}`).toBeLessThanOrEqual(1);
    expect([before.frames?.length, before.fps, last.iteration]).toEqual([3, 6, 1]);
    for (const [f, frame] of defined(last.frames).entries())
      expect(frame.data, `frame ${f}`).not.toEqual(before.frames?.[f].data);
    expect(before.overFrames?.motion).toBeGreaterThan(0.01);
    expect(steps.slice(0, 6).map(({ phase, step, steps }) => `${phase} ${step}/${steps}`)).toEqual([
      'encode 1/3',
      'encode 2/3',
      'encode 3/3',
      'invert 1/3',
      'invert 2/3',
      'invert 3/3',
    ]);
  });

  it('goes on from a state with the same numbers', async () => {
    const parsed = parseRefineRequest({ ...request, iterations: 2 });
    const method = refinement(parsed);
    const states: MethodState[] = [];
    const runOf = async (state?: MethodState) => {
      const all: Iteration[] = [];
      const onState = (one: MethodState) => void states.push(structuredClone(one));
      for await (const one of method.run(pipeline, methodRequest(parsed), { state, onState })) all.push(one);
      return all.map(comparable);
    };
    const whole = await runOf();
    expect(whole).toHaveLength(3);
    expect(await runOf(states[1])).toEqual(whole.slice(2));
  });

  it.each(['edict', 'sdedit', 'p2p'] as const)(
    'keeps every byte of what the mask protects: %s',
    async (edit) => {
      const { best } = await refine(
        {
          ...request,
          edit,
          mask,
          iterations: edit === 'edict' ? 1 : 0,
          ...(edit === 'p2p' && { sourcePrompt: 'a blue boat' }),
        },
        { pipeline },
      );
      for (const [f, frame] of defined(best.frames).entries()) {
        const changed = frame.data.map((value, i) => Math.abs(value - frames[f].data[i]));
        const isOpen = (i: number) => Math.floor(i / 3) % 32 < 16;
        expect(
          changed.every((value, i) => isOpen(i) || value === 0),
          `frame ${f}`,
        ).toBe(true);
        expect(
          changed.some((value, i) => isOpen(i) && value > 0),
          `frame ${f}`,
        ).toBe(true);
      }
    },
  );

  it('p2p ends in the clip itself under its own description, and follows it under another', async () => {
    const words = { edit: 'p2p', iterations: 0, guidanceScale: 1, prompt: 'a red cat' } as const;
    const of = async (sourcePrompt: string, shares: Partial<RefineRequest> = {}) =>
      defined((await refine({ ...request, ...words, sourcePrompt, ...shares }, { pipeline })).best.frames);
    for (const [f, kept] of (await keptOf(frames)).entries())
      expect(mostApart((await of('a red cat'))[f], kept), `frame ${f}`).toBeLessThanOrEqual(1);
    const shares = { crossReplace: 1, selfReplace: 1 };
    const apart = (images: readonly Image[], others: readonly Image[]) =>
      mean(images.map((one, f) => mean(one.data.map((value, i) => Math.abs(value - others[f].data[i])))));
    const kept = await keptOf(frames);
    const [follows, free] = [
      await of('a blue boat', shares),
      await of('a blue boat', { crossReplace: 0, selfReplace: 0 }),
    ];
    expect(apart(follows, free)).toBeGreaterThan(0);
    expect(apart(follows, kept)).toBeLessThan(apart(free, kept));
  });

  it.each([
    { edit: 'edict', iterations: 1 },
    { edit: 'sdedit', iterations: 1 },
    { edit: 'p2p', iterations: 0, sourcePrompt: 'a blue boat' },
  ] as const)('of one frame is a picture: $edit', async (changes) => {
    const made = async (given: RefineRequest['image']) => {
      const { before, last } = await refine({ ...request, ...changes, image: given }, { pipeline });
      return { before: comparable(before), last: comparable(last) };
    };
    const one = await made({ frames: [image], fps: 6 });
    expect(one).toEqual(await made(image));
    expect(one.last).not.toHaveProperty('frames');
  });

  it('is noised with what its frames share', async () => {
    const noise = async (sharedNoise: number) =>
      (await refine({ ...request, edit: 'sdedit', strength: 1, iterations: 0, sharedNoise }, { pipeline }))
        .best.latent;
    const apart = (latent: Float64Array) => {
      const [a, b] = [0, 2].map((f) => frameLatent(latent, [1, 4, 3, 8, 8], f));
      return a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);
    };
    expect(apart(await noise(0.9))).toBeLessThan(0.3 * apart(await noise(0)));
  });

  it('stops between two frames', async () => {
    const stop = new AbortController();
    const onStep = ({ phase, step }: StepProgress) =>
      phase === 'encode' && step === 2 && stop.abort(new Error('stopped'));
    await expect(
      refine(request, { pipeline, signal: stop.signal, onStep: (step) => void onStep(step) }),
    ).rejects.toThrow('stopped');
  });

  it('is counted by a dry run', async () => {
    const operations = async (given: RefineRequest['image']) => {
      const parsed = parseRefineRequest({ ...request, image: given });
      const estimate = await estimateRun({
        open: (programs) => loadPipeline(dir, { motion, threads: 1, programs }),
        method: refinement(parsed),
        request: methodRequest(parsed),
        iterations: 1,
        machine: { flops: 1e9, shareOfCore: 1 } as never,
      });
      return estimate.operations;
    };
    expect(await operations(clip)).toBeGreaterThan(2.5 * (await operations(image)));
  });

  it('that is longer than the table of the adapter needs windows', async () => {
    const long = { ...request, image: { frames: clipOf(8), fps: 8 }, edit: 'sdedit', iterations: 0 } as const;
    await expect(refine(long, { pipeline })).rejects.toThrow(
      /8 are more than .*; take at most 6, or windows/,
    );
    const windows = await loadPipeline(dir, { motion, contextFrames: 4, threads: 1 });
    const { best } = await refine(long, { pipeline: windows });
    expect(best.frames).toHaveLength(8);
    await windows.dispose();
  });

  it('needs a model that makes clips', async () => {
    const pictures = await loadPipeline(dir, { threads: 1 });
    await expect(refine(request, { pipeline: pictures })).rejects.toThrow(
      /^request: frames must be 1 for .*, which makes pictures, got 3; give it a motion adapter$/,
    );
    await pictures.dispose();
  });
});

it('a model for inpainting paints the mask of every frame', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sgool-inpainting-clips-'));
  for (const part of ['pipeline', 'inpainting']) await cp(`${FIXTURES}${part}`, dir, { recursive: true });
  const painter = await loadPipeline(dir, { motion, threads: 1 });
  const paint = {
    image: clip,
    mask,
    prompt: 'a photo of a cat',
    iterations: 0,
    steps: 2,
    seed: 0,
    feather: 0,
    saliency: 'centre',
    ...size,
  } as const;
  const made = async (changes: Partial<RefineRequest> = {}) =>
    defined((await refine({ ...paint, ...changes }, { pipeline: painter })).best.frames);
  const painted = await made();
  for (const [f, frame] of painted.entries()) {
    const changed = frame.data.map((value, i) => Math.abs(value - frames[f].data[i]));
    expect(changed.every((value, i) => Math.floor(i / 3) % 32 < 16 || value === 0)).toBe(true);
    expect(changed.some((value) => value > 0)).toBe(true);
  }
  // Another last frame changes what the network sees there, and through the motion modules the others a little.
  const other = await made({ image: { frames: [frames[0], frames[1], frames[0]], fps: 6 } });
  expect(other[0].data).not.toEqual(painted[0].data);
  await painter.dispose();
  await rm(dir, { recursive: true });
});

describe('which frames are taken', () => {
  const taken = (given: Partial<RefineRequest>) => parseRefineRequest({ ...request, ...given });
  const notes = (given: Partial<RefineRequest>) =>
    refinement(taken(given))
      .notes(size, {})
      .filter((note) => note.includes('frames'));
  const [a, b, c] = frames;

  it('all of them, at their rate', () => {
    expect(taken({})).toMatchObject({ frames: 3, fps: 6 });
    expect(notes({})).toEqual([]);
    expect(taken({ image: a })).toMatchObject({ frames: 1, fps: undefined });
  });

  it('at another rate, from the beginning on; and it is said', () => {
    const { taken: slow, ...rest } = taken({ fps: 3 });
    expect(rest).toMatchObject({ frames: 2, fps: 3 });
    expect(slow).toEqual({ frames: [a, c], fps: 3 });
    expect(notes({ fps: 3 })).toEqual(['the clip has 3 frames in 0.50 s: 2 are taken, 3 in a second']);
    expect(taken({ fps: 12 }).taken.frames).toEqual([a, a, b, b, c, c]);
    expect(taken({ frames: 2 }).taken).toEqual({ frames: [a, b], fps: 6 });
  });

  it('as often as they are shown longer than the shortest', () => {
    const joined = { frames, fps: 4, seconds: [0.25, 0.38, 0.12] };
    expect(taken({ image: joined }).taken).toEqual({ frames: [a, a, b, b, b, c], fps: 8 });
    // As a record says it.
    expect(taken({ image: joined, fps: 8, frames: 6 }).taken.frames).toEqual([a, a, b, b, b, c]);
    expect(notes({ image: joined })[0]).toMatch(/3 frames in 0.75 s: 6 are taken, 8 in a second/);
  });

  it.each<[string, Partial<RefineRequest>, RegExp]>([
    ['more than there are', { frames: 4 }, /^refine: frames must be at most 3, which the clip has, got 4$/],
    [
      'of a picture',
      { image: a, frames: 2 },
      /^refine: frames must be at most 1, which the picture has, got 2$/,
    ],
    [
      'of several sizes',
      { image: { frames: [a, createImage(8, 8)], fps: 8 } },
      /all frames of the clip must have one size, got 32 x 32 and 8 x 8/,
    ],
    [
      'more than any clip has',
      { image: { frames: [a, b], fps: 8, seconds: [0.01, 60] } },
      /the clip has 6001 frames of equal length, more than 1024; take fewer/,
    ],
    [
      'of nothing',
      { image: { frames: [], fps: 8 } },
      /^refine: image is not usable, got .*; a clip has frames/,
    ],
    ['without times', { image: { frames, fps: 8, seconds: [1] } }, /^refine: image is not usable/],
  ])('refused: %s', (_, given, message) => {
    expect(() => taken(given)).toThrow(UserError);
    expect(() => taken(given)).toThrow(message);
  });

  it('a picture has no rate', async () => {
    await expect(refine({ ...request, image: a, fps: 12 }, { pipeline })).rejects.toThrow(
      /fps 12 has no effect with frames 1/,
    );
  });
});
