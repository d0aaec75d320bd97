import { describe, expect, it } from 'vitest';
import { euler } from '../diffusion/samplers/euler.ts';
import { runTrajectory } from '../diffusion/trajectory.ts';
import { wholeCrop } from '../image/crops.ts';
import type { DenoiserOptions } from '../models/backbone.ts';
import { relativeError } from '../networks/testing.ts';
import { clipGuide } from '../preference/clip-guide.ts';
import type { Memory } from '../runtime/program-cache.ts';
import { openSafetensors, readTypedTensor } from '../weights/formats/safetensors.ts';
import { type LoadOptions, loadPipeline } from './load-pipeline.ts';
import type { Pipeline } from './pipeline.ts';
import { type TinyFlow, writeTinyFlow } from './testing.ts';

const size = { width: 32, height: 32 };
const prompt = 'a photo of a cat';

/** A case of the fixtures. */
interface Case {
  readonly model: TinyFlow;
  readonly name: string;
  readonly steps: number;
  /** Default `auto`. */
  readonly memory?: Memory;
  readonly options: Omit<DenoiserOptions, 'prompt' | 'width' | 'height'>;
}

const CASES: readonly Case[] = [
  { model: 'sd3', name: 'guided', steps: 3, options: { guidanceScale: 4, negativePrompt: 'dog' } },
  { model: 'sd3', name: 'plain', steps: 2, options: { guidanceScale: 1 }, memory: 'low' },
  { model: 'sd3', name: 'skipped', steps: 1, options: { guidanceScale: 1, clipSkip: 2 } },
  {
    model: 'sd3-without-t5',
    name: 'without-t5',
    steps: 2,
    options: { guidanceScale: 4, negativePrompt: 'dog' },
  },
  { model: 'flux-schnell', name: 'plain', steps: 2, options: { guidanceScale: 1 }, memory: 'low' },
  {
    model: 'flux-schnell',
    name: 'guided',
    steps: 2,
    options: { guidanceScale: 2.5, negativePrompt: 'dog' },
  },
  { model: 'flux-dev', name: 'embedded', steps: 3, options: { guidanceScale: 3.5 } },
];

async function opened<T>(
  { model, name }: Pick<Case, 'model' | 'name'>,
  use: (pipeline: Pipeline, expected: (key: string) => Promise<Float64Array>) => Promise<T>,
  options: LoadOptions = {},
): Promise<T> {
  const { dir, remove } = await writeTinyFlow(model);
  const pipeline = await loadPipeline(dir, { threads: 1, ...options });
  const file = await openSafetensors(`${dir}/expected.safetensors`);
  try {
    return await use(pipeline, async (key) =>
      Float64Array.from(
        (await readTypedTensor(file, key === 'noise' ? key : `${name}.${key}`)).data as Float32Array,
      ),
    );
  } finally {
    await pipeline.dispose();
    await remove();
  }
}

/** Peak signal-to-noise ratio of an image against planes [3, height, width] from 0 to 1. */
function decibels(data: Uint8Array, planes: Float64Array): number {
  const pixels = planes.length / 3;
  const squares = planes.map((value, i) => {
    const level = data[3 * (i % pixels) + Math.floor(i / pixels)];
    return (Math.round(255 * value) - level) ** 2;
  });
  return 10 * Math.log10(255 ** 2 / (squares.reduce((a, b) => a + b) / squares.length));
}

describe.each(CASES)('$model, $name', (given) => {
  const { steps, options } = given;

  const { memory = 'auto' } = given;

  it('has the latent and the picture of diffusers from the same noise, and the gradient of torch through the whole chain', () =>
    opened(
      given,
      async (pipeline, expected) => {
        const sampler = euler(pipeline.noisePath(size), steps);
        const denoiser = await pipeline.denoiser({ prompt, ...size, ...options });
        const trajectory = await runTrajectory('checkpointed', sampler, denoiser, await expected('noise'));
        const [final] = trajectory.final;
        expect(relativeError(final, await expected('latent'))).toBeLessThan(1e-4);
        expect(relativeError(final, await expected('final'))).toBeLessThan(2e-5);
        const { data } = await pipeline.decode(final, size);
        expect(decibels(data, await expected('picture'))).toBeGreaterThan(60);

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
    ));
});
