/** @file Loss and gradient of target images, and image-to-image, compared with PyTorch and diffusers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFixture } from '../diffusion/testing.ts';
import { wholeCrop } from '../image/crops.ts';
import { createImage, type Image } from '../image/image.ts';
import { aimInputs, clipGuide } from '../preference/clip-guide.ts';
import { clipTarget } from '../preference/clip-target.ts';
import { loadPipeline } from './load-pipeline.ts';
import type { Pipeline } from './pipeline.ts';

const read = readFixture('img2img.safetensors');
const size = { width: 32, height: 32 };
const imageOf = (name: string): Image => createImage(32, 32, Uint8Array.from(read(name)));
const text = 'a photo of a cat';

let pipeline: Pipeline;
beforeAll(async () => {
  const dir = new URL('../../../../fixtures/data/pipeline', import.meta.url).pathname;
  pipeline = await loadPipeline(dir, { threads: 1 });
});
afterAll(() => pipeline.dispose());

describe.each([
  ['both', 1],
  ['pictures', 0],
] as const)('text and target images: %s', (name, textWeight) => {
  const images = [{ image: imageOf('target.a') }, { image: imageOf('target.b'), weight: 0.5 }];
  const target = clipTarget(text, images, textWeight);
  const latent = read('target.latent');

  it('have the loss and the gradient that PyTorch gives', async () => {
    const critic = await pipeline.critic();
    const aim = await target.aim(critic);
    const crop = wholeCrop({ ...size, side: critic.side });
    const objective = await pipeline.objective({
      ...size,
      parts: [{ guide: clipGuide(critic), views: 1 }],
      saturatedGradient: 'clamp',
    });
    const { total, gradient } = await objective.evaluate(latent, [
      { views: [{ crop, aim: aimInputs(aim), weight: 1 }] },
    ]);
    expect(total).toBeCloseTo(read(`target.${name}.loss`)[0], 5);
    const wanted = read(`target.${name}.gradient`);
    const length = Math.hypot(...wanted);
    expect(Math.hypot(...wanted.map((value, i) => value - gradient[i])) / length).toBeLessThan(1e-4);
  });

  it('have the score of the cosines', async () => {
    const image = await pipeline.decode(latent, size);
    const { A } = await pipeline.score(image, target);
    // The image is rounded to whole levels.
    expect(Math.abs((A ?? 0) - read(`target.${name}.score`)[0])).toBeLessThan(0.2);
  });

  it('take views with and without images in one program', async () => {
    const critic = await pipeline.critic();
    const crop = wholeCrop({ ...size, side: critic.side });
    const alone = { crop, aim: aimInputs(await clipTarget(text).aim(critic)), weight: 1 };
    const mixed = { crop, aim: aimInputs(await target.aim(critic)), weight: 1 };
    const objective = await pipeline.objective({
      ...size,
      parts: [{ guide: clipGuide(critic), views: 2 }],
      saturatedGradient: 'clamp',
    });
    const {
      losses: [distances],
    } = await objective.evaluate(latent, [{ views: [alone, mixed] }]);
    const single = await objective.evaluate(latent, [{ views: [alone] }]);
    expect(distances[0]).toBeCloseTo(single.losses[0][0], 6);
    expect(distances[1]).toBeCloseTo(read(`target.${name}.loss`)[0], 5);
  });
});
