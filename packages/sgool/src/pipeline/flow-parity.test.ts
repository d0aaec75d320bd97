import { cp, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { euler } from '../diffusion/samplers/euler.ts';
import { runTrajectory } from '../diffusion/trajectory.ts';
import { wholeCrop } from '../image/crops.ts';
import type { DenoiserOptions } from '../models/backbone.ts';
import { relativeError } from '../networks/testing.ts';
import { clipGuide } from '../preference/clip-guide.ts';
import { openSafetensors, readTypedTensor, type SafetensorsFile } from '../weights/formats/safetensors.ts';
import { type LoadOptions, loadPipeline } from './load-pipeline.ts';
import type { Pipeline } from './pipeline.ts';

const DATA = new URL('../../../../fixtures/data/', import.meta.url).pathname;
const clip = `${DATA}pipeline/clip`;
const size = { width: 32, height: 32 };
const prompt = 'a photo of a cat';

/** Folders of fixtures/make/flow_pipelines.py; of some only what differs from another is stored. */
const MODELS = {
  sd3: { folders: ['sd3'] },
  'sd3 without T5': { folders: ['sd3'], without: ['text_encoder_3', 'tokenizer_3'] },
  'flux-schnell': { folders: ['flux-schnell'] },
  'flux-dev': { folders: ['flux-schnell', 'flux-dev'] },
} as const;

/** A case of the fixtures. */
interface Case {
  readonly model: keyof typeof MODELS;
  readonly name: string;
  readonly steps: number;
  readonly options: Omit<DenoiserOptions, 'prompt' | 'width' | 'height'>;
}

const CASES: readonly Case[] = [
  { model: 'sd3', name: 'guided', steps: 3, options: { guidanceScale: 4, negativePrompt: 'dog' } },
  { model: 'sd3', name: 'plain', steps: 2, options: { guidanceScale: 1 } },
  { model: 'sd3', name: 'skipped', steps: 1, options: { guidanceScale: 1, clipSkip: 2 } },
  {
    model: 'sd3 without T5',
    name: 'without-t5',
    steps: 2,
    options: { guidanceScale: 4, negativePrompt: 'dog' },
  },
  { model: 'flux-schnell', name: 'plain', steps: 2, options: { guidanceScale: 1 } },
  {
    model: 'flux-schnell',
    name: 'guided',
    steps: 2,
    options: { guidanceScale: 2.5, negativePrompt: 'dog' },
  },
  { model: 'flux-dev', name: 'embedded', steps: 3, options: { guidanceScale: 3.5 } },
];

let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'sgool-flow-'));
  for (const [name, { folders, ...model }] of Object.entries(MODELS)) {
    for (const folder of folders) {
      await cp(`${DATA}flow/${folder}`, path.join(root, name), { recursive: true });
    }
    for (const part of 'without' in model ? model.without : []) {
      await rm(path.join(root, name, part), { recursive: true });
    }
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function opened<T>(
  { model, name }: Pick<Case, 'model' | 'name'>,
  use: (pipeline: Pipeline, expected: (key: string) => Promise<Float64Array>) => Promise<T>,
  options: LoadOptions = {},
): Promise<T> {
  const dir = path.join(root, model);
  const pipeline = await loadPipeline(dir, { clip, threads: 1, ...options });
  const file: SafetensorsFile = await openSafetensors(path.join(dir, 'expected.safetensors'));
  try {
    return await use(pipeline, async (key) =>
      Float64Array.from((await readTypedTensor(file, key === 'noise' ? key : `${name}.${key}`)).data as Float32Array),
    );
  } finally {
    await pipeline.dispose();
  }
}

describe.each(CASES)('$model, $name', (given) => {
  const { steps, options } = given;

  it.each(['auto', 'low'] as const)(
    'has the latent of diffusers from the same noise, and the gradient of torch through the whole chain (memory %s)',
    (memory) =>
      opened(
        given,
        async (pipeline, expected) => {
          const sampler = euler(pipeline.noisePath(size), steps);
          const denoiser = await pipeline.denoiser({ prompt, ...size, ...options });
          const trajectory = await runTrajectory('checkpointed', sampler, denoiser, await expected('noise'));
          const [final] = trajectory.final;
          expect(relativeError(final, await expected('latent'))).toBeLessThan(1e-4);
          expect(relativeError(final, await expected('final'))).toBeLessThan(2e-5);

          const critic = await pipeline.critic();
          const parts = [{ guide: clipGuide(critic), views: 1 }];
          const objective = await pipeline.objective({ ...size, parts, saturatedGradient: 'clamp' });
          const crop = wholeCrop({ ...size, side: critic.side });
          const views = [{ crop, aim: { text: await critic.embedText(prompt) }, weight: 1 }];
          const { total, gradient } = await objective.evaluate(final, [{ views }]);
          expect(total).toBeCloseTo((await expected('loss'))[0], 5);
          expect(relativeError(await trajectory.pullback([gradient]), await expected('gradient'))).toBeLessThan(
            1e-4,
          );
        },
        { memory },
      ),
  );
});
