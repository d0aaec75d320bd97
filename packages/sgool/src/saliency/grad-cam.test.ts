import { compile } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { createImage, planesFromImage } from '../image/image.ts';
import { CLIP_MEAN, CLIP_STD } from '../networks/clip/clip.ts';
import { clipConfig } from '../networks/clip/clip-config.ts';
import { openFixture } from '../networks/testing.ts';
import { openSafetensors, readTypedTensor } from '../weights/formats/safetensors.ts';
import { gradCamDetector, gradCamGraph } from './grad-cam.ts';

const clip = await openFixture('clip');
const config = clipConfig(clip.config);
const { image_size: side } = config.vision_config;
const texts = (await clip.array('textEmbedding')) as Float32Array;
const dimension = config.projection_dim;

it('shows CLIP the image by colour, and spreads the map of the whole patches over it', async () => {
  const seen: Float32Array[] = [];
  const program = {
    async run(inputs: Record<string, unknown>) {
      seen.push(inputs.planes as Float32Array);
      return { cam: Float32Array.of(0, 1, 2, 4) };
    },
  };
  // Two patches of 4 fit into 10 pixels.
  const small = { ...config, vision_config: { ...config.vision_config, image_size: 10, patch_size: 4 } };
  const detector = gradCamDetector({
    variant: 'grad-cam',
    config: small,
    program: async () => program,
    text: texts,
  });
  const image = createImage(
    10,
    10,
    Uint8Array.from({ length: 300 }, (_, i) => (i * i) % 251),
  );
  const { data } = await detector.map(image);
  const planes = planesFromImage(image);
  expect(seen[0]).toHaveLength(300);
  seen[0].forEach((value, i) => {
    expect(value).toBeCloseTo(planes[i], 6);
  });
  expect([data[0], data[9], data[90], data[99]]).toEqual([0, 0.25, 0.5, 1]);
});

describe.each(['grad-cam', 'grad-cam++'] as const)('%s', (variant) => {
  it('has the map that its formula gives for the activations and gradients of PyTorch', async () => {
    const file = await openSafetensors(
      new URL('../../../../fixtures/data/guidance.safetensors', import.meta.url).pathname,
    );
    const expected = (await readTypedTensor(file, `cam.${variant}`)).data as Float64Array;
    const pixels = await clip.array('pixels');
    const planes = Float32Array.from(pixels, (value, i) => {
      const channel = Math.floor(i / (side * side)) % 3;
      return value * CLIP_STD[channel] + CLIP_MEAN[channel];
    });
    const program = await compile(gradCamGraph(config, clip.weights, variant));
    const largest = expected.reduce((most, value) => Math.max(most, value), 0);
    const [images, patches] = [texts.length / dimension, (expected.length * dimension) / texts.length];
    for (let b = 0; b < images; b++) {
      const { cam } = await program.run({
        planes: planes.slice(b * 3 * side * side, (b + 1) * 3 * side * side),
        text: texts.slice(b * dimension, (b + 1) * dimension),
      });
      expect(cam).toHaveLength(patches);
      (cam as Float32Array).forEach((value, i) => {
        expect(Math.abs(value - expected[b * patches + i])).toBeLessThan(1e-4 * largest);
      });
    }
    await program.dispose();
  });

  it('gives a map of the size of the image, square or not', async () => {
    const program = compile(gradCamGraph(config, clip.weights, variant));
    const detector = gradCamDetector({
      variant,
      config,
      program: () => program,
      text: texts.slice(0, dimension),
    });
    const image = createImage(
      50,
      31,
      Uint8Array.from({ length: 50 * 31 * 3 }, (_, i) => (i * i) % 251),
    );
    const map = await detector.map(image);
    expect(map).toMatchObject({ width: 50, height: 31 });
    expect(map.data).toHaveLength(50 * 31);
    expect(map.data.every((value) => value >= 0 && value <= 1)).toBe(true);
    await (await program).dispose();
  });
});
