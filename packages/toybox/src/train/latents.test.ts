import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { compile, ParameterLayout, type Shape, trace } from '@sgool/autodiff';
import { autoencoder, autoencoderConfig } from 'sgool/networks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { batchGenerator } from './batch-generator.ts';
import { constantWeights, DIFFUSERS_FILE, readWeights, writeFolder } from './export.ts';
import { latentsOf } from './latents.ts';
import { initialise, recordingWeights } from './parameters.ts';
import { IMAGE, PIXELS } from './scenes.ts';

const COUNT = 4;
const CONFIG = {
  _class_name: 'AutoencoderKL',
  block_out_channels: [4, 4, 4, 4],
  latent_channels: 2,
  norm_num_groups: 2,
  scaling_factor: 3,
  shift_factor: 0.25,
  use_quant_conv: false,
  use_post_quant_conv: false,
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'toybox-latents-'));
  const shapes = new Map<string, Shape>();
  trace({ image: { shape: [1, 3, IMAGE, IMAGE] } }, ({ image }) => ({
    latent: autoencoder(autoencoderConfig(CONFIG), recordingWeights(shapes)).encode(image).mean,
  }));
  const layout = new ParameterLayout(shapes);
  const weights = layout.views(initialise(layout, batchGenerator(3)));
  await writeFolder(path.join(folder, 'vae'), CONFIG, DIFFUSERS_FILE, weights);
});
afterAll(() => rm(folder, { recursive: true }));

/** Stripes that differ from image to image. */
function paint(index: number, planes: Float32Array): void {
  for (let i = 0; i < planes.length; i++) planes[i] = Math.sin((i % (17 + index)) * (1 + index));
}

it('gives shifted and scaled means of the latents, and keeps them for the same images only', async () => {
  const vae = path.join(folder, 'vae');
  let painted = 0;
  const wanted = (what: string) => ({
    autoencoder: vae,
    file: path.join(folder, 'latents.safetensors'),
    what,
    count: COUNT,
    paint: (index: number, planes: Float32Array) => {
      painted++;
      paint(index, planes);
    },
  });
  const latents = await latentsOf(wanted('stripes'));
  expect(painted).toBe(COUNT);

  const weights = constantWeights(await readWeights(path.join(vae, DIFFUSERS_FILE)));
  const program = await compile(
    trace({ image: { shape: [1, 3, IMAGE, IMAGE] } }, ({ image }) => ({
      mean: autoencoder(autoencoderConfig(CONFIG), weights).encode(image).mean,
    })),
  );
  const size = latents.length / COUNT;
  expect(size).toBe(2 * 16 * 16);
  for (let i = 0; i < COUNT; i++) {
    const image = new Float32Array(3 * PIXELS);
    paint(i, image);
    const mean = (await program.run({ image })).mean as Float32Array;
    mean.forEach((value, at) => {
      expect(latents[i * size + at]).toBeCloseTo((value - 0.25) * 3, 4);
    });
  }
  await program.dispose();

  expect(await latentsOf(wanted('stripes'))).toEqual(latents);
  expect(painted).toBe(COUNT);
  await latentsOf(wanted('other stripes'));
  expect(painted).toBe(2 * COUNT);
});
