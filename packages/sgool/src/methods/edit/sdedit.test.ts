import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFixture } from '../../diffusion/testing.ts';
import { createImage, type Image } from '../../image/image.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { writeTinyModel } from '../../pipeline/testing.ts';
import { samplingSettings } from '../../request/settings.ts';
import { refine, refinement } from './refine.ts';
import { parseRefineRequest, type RefineRequest } from './refine-request.ts';

const read = readFixture('img2img.safetensors');
const image = createImage(32, 32, Uint8Array.from(read('image')));
const request = {
  image,
  prompt: 'a photo of a cat',
  negativePrompt: 'dog',
  edit: 'sdedit',
  guidanceScale: 3,
  steps: 6,
  seed: 3,
} as const satisfies RefineRequest;
/** White on the left half. */
const mask = createImage(
  32,
  32,
  Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (Math.floor(i / 3) % 32 < 16 ? 255 : 0)),
);

let pipeline: Pipeline;
beforeAll(async () => {
  const dir = new URL('../../../../../fixtures/data/pipeline', import.meta.url).pathname;
  pipeline = await loadPipeline(dir, { threads: 1 });
});
afterAll(() => pipeline.dispose());

/** The latent that the run decodes last. */
async function finalLatent(more: Partial<RefineRequest>) {
  let final = new Float64Array();
  const decode: Pipeline['decode'] = (latent, size) => {
    final = latent as typeof final;
    return pipeline.decode(latent, size);
  };
  const result = await refine({ ...request, ...more }, { pipeline: { ...pipeline, decode } });
  return { final, ...result };
}

const SAMPLERS = ['ddim', 'pndm', 'euler', 'euler-ancestral', 'dpm-solver', 'unipc', 'heun', 'lcm'] as const;

describe('the edit sdedit', () => {
  it.each(SAMPLERS.flatMap((sampler) => [0.5, 0.8, 1].map((strength) => [sampler, strength] as const)))(
    'gives the latents of StableDiffusionImg2ImgPipeline: %s, strength %d',
    async (sampler, strength) => {
      const { final } = await finalLatent({ sampler, strength });
      const wanted = read(`${sampler}.${strength === 1 ? '1.0' : strength}`);
      const most = Math.max(...wanted.map(Math.abs));
      expect(Math.max(...wanted.map((value, i) => Math.abs(value - final[i]))) / most).toBeLessThan(1e-4);
    },
  );
});
