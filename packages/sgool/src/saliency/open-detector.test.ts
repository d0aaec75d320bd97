import { compile } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { createImage, planesFromImage } from '../image/image.ts';
import { letterboxPlanes, undoLetterbox } from '../image/letterbox.ts';
import { clipConfig } from '../networks/clip/clip-config.ts';
import { transalnetConfig } from '../networks/saliency/transalnet-config.ts';
import { openFixture, relativeError } from '../networks/testing.ts';
import type { ClipCritic } from '../preference/clip-critic.ts';
import { Generator } from '../random/generator.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import type { ModelFolder } from '../weights/open/model-folder.ts';
import { messageOf } from '../weights/testing.ts';
import type { Detector } from './detector.ts';
import { type DetectorParts, openDetector } from './open-detector.ts';
import { transalnetDetector, transalnetGraph } from './transalnet-detector.ts';

const CONFIG = { image_size: [32, 64] };
const image = createImage(
  20,
  10,
  Uint8Array.from({ length: 600 }, (_, i) => (7 * i) % 256),
);
const canvas = { width: 64, height: 32 };

/** A program that takes planes, keeps them, and answers with a function of the red ones. */
function network(answer: (red: number) => number) {
  const seen: Float32Array[] = [];
  return {
    seen,
    async run(inputs: Record<string, unknown>) {
      const planes = inputs.planes as Float32Array;
      seen.push(planes);
      return { map: planes.slice(0, planes.length / 3).map(answer) };
    },
  };
}

describe('transalnet', () => {
  it('is the network on planes of its size', async () => {
    const fixture = await openFixture('transalnet-res-small');
    const config = transalnetConfig(fixture.config);
    const area = config.image_size[0] * config.image_size[1];
    const graph = transalnetGraph(config, fixture.weights);
    const program = await compile(graph);
    const picture = (await fixture.array('picture')) as Float32Array;
    const { map } = await program.run({ planes: picture.slice(0, 3 * area) });
    const expected = ((await fixture.array('map')) as Float32Array).slice(0, area);
    expect(relativeError(map as Float32Array, expected)).toBeLessThan(1e-4);
    await program.dispose();
  });

  const detector = (answer: (red: number) => number, channelOrder?: 'rgb' | 'bgr') => {
    const program = network(answer);
    const config = transalnetConfig(CONFIG);
    return { program, ...transalnetDetector({ config, program: async () => program, channelOrder }) };
  };

  it('shows the image in a letterbox, and crops the map to it', async () => {
    const { program, map } = detector((red) => red);
    const planes = letterboxPlanes(planesFromImage(image), image, canvas);
    const { width, height, data } = await map(image);
    expect(program.seen).toEqual([planes]);
    expect([width, height]).toEqual([20, 10]);
    const cropped = undoLetterbox(planes.slice(0, 64 * 32), image, canvas);
    expect(data).toEqual(cropped.map((value) => value / Math.max(...cropped)));
  });

  it('swaps red and blue for weights that expect BGR', async () => {
    const [rgb, bgr] = [detector((red) => red, 'rgb'), detector((red) => red, 'bgr')];
    await rgb.map(image);
    await bgr.map(image);
    const size = 64 * 32;
    const plane = (planes: Float32Array, c: number) => planes.subarray(c * size, (c + 1) * size);
    for (const [from, to] of [
      [0, 2],
      [1, 1],
      [2, 0],
    ]) {
      expect(plane(bgr.program.seen[0], to)).toEqual(plane(rgb.program.seen[0], from));
    }
    expect(rgb.program.seen[0]).not.toEqual(bgr.program.seen[0]);
  });

  it('divides by the maximum, and takes negative values for nothing', async () => {
    const { data } = await detector((red) => 4 * (red - 0.5)).map(image);
    expect(Math.max(...data)).toBe(1);
    expect(Math.min(...data)).toBe(0);
    expect([...(await detector((red) => -red).map(image)).data].every((value) => value === 0)).toBe(true);
    expect([...(await detector(() => 0).map(image)).data].every((value) => value === 0)).toBe(true);
    const weak = await detector((red) => 1e-3 * red).map(image);
    expect(Math.max(...weak.data)).toBe(1);
  });
});

describe('openDetector', () => {
  /** Parts of a model with a TranSalNet, whose programs are recorded. */
  function parts(options: Partial<DetectorParts> = {}, config: Record<string, unknown> = CONFIG) {
    const program = network((red) => red);
    const asked: string[] = [];
    const programs = {
      get: async (name: string, _: unknown, precision: string) => {
        asked.push(`${name} ${precision}`);
        return program;
      },
    } as unknown as ProgramCache;
    const folder = {
      dir: 'model',
      components: new Map([
        ['transalnet', { dir: 'model/transalnet', config, weights: { get: () => undefined } }],
      ]),
    } as unknown as ModelFolder;
    const critic = () => Promise.reject<ClipCritic>(new Error('no CLIP is expected'));
    const attention = (prompt: string): Detector => ({
      name: `attention to ${prompt}`,
      map: () => Promise.reject(new Error('no image is expected')),
    });
    return { program, asked, parts: { folder, programs, critic, attention, ...options } };
  }

  it.each([
    ['centre', {}],
    ['spectral-residual', {}],
    ['mask', { mask: image }],
    ['transalnet', {}],
  ] as const)('opens %s', async (name, options) => {
    const detector = await openDetector(name, parts(options).parts);
    expect(detector.name).toBe(name);
    expect(await detector.map(image)).toMatchObject({ width: 20, height: 10 });
  });

  it('opens random with a stream of its own, which is that of seed 0', async () => {
    const [own, first] = await Promise.all(
      [{}, { random: new Generator(0) }].map((options) => openDetector('random', parts(options).parts)),
    );
    expect(await own.map(image)).toEqual(await first.map(image));
  });

  it('opens a file', async () => {
    expect(await messageOf(openDetector('none.onnx', parts().parts))).toMatch(
      /^saliency .*none\.onnx: there is no such file$/,
    );
  });

  it('opens attention for its prompt', async () => {
    const detector = await openDetector('attention', parts({ prompt: 'a red cat' }).parts);
    expect(detector.name).toBe('attention to a red cat');
  });

  it.each([undefined, 'rgb', 'bgr'])('reads the order of colours of transalnet: %s', async (order) => {
    const { program, asked, parts: given } = parts({}, { ...CONFIG, channel_order: order });
    await (await openDetector('transalnet', given)).map(image);
    expect(asked).toEqual(['transalnet float32']);
    const planes = letterboxPlanes(planesFromImage(image), image, canvas);
    const [red, blue] = [planes.slice(0, 2048), planes.slice(4096)];
    expect(program.seen[0].slice(0, 2048)).toEqual(order === 'bgr' ? blue : red);
  });

  it.each(['grad-cam', 'grad-cam++'] as const)('opens %s on the CLIP that guides', async (name) => {
    const clip = await openFixture('clip');
    const embedded: string[] = [];
    const critic = async () =>
      ({
        config: clipConfig(clip.config),
        weights: clip.weights,
        embedText: async (text: string) => {
          embedded.push(text);
          return new Float32Array(8);
        },
      }) as unknown as ClipCritic;
    const { parts: given, asked } = parts({ critic, prompt: 'a red cat' });
    const detector = await openDetector(name, given);
    expect([detector.name, embedded]).toEqual([name, ['a red cat']]);
    await detector.map(image).catch(() => undefined);
    expect(asked).toEqual([`${name} float32`]);
  });

  it.each([
    ['mask', {}, /^saliency mask: no mask was given/],
    ['attention', {}, /^saliency attention: no prompt was given/],
    ['grad-cam', {}, /^saliency grad-cam: no prompt was given/],
    ['grad-cam++', { prompt: '' }, /^saliency grad-cam\+\+: no prompt was given/],
    [
      'transalnet',
      { folder: { dir: 'model', components: new Map() } as unknown as ModelFolder },
      /model has no folder transalnet/,
    ],
  ] as const)('says what %s lacks', async (name, options, message) => {
    expect(await messageOf(openDetector(name, parts(options).parts))).toMatch(message);
  });
});
