import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { createImage } from '../../image/image.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { Generator } from '../../random/generator.ts';
import { refine } from './refine.ts';
import type { RefineRequest } from './refine-request.ts';

const image = createImage(
  32,
  32,
  Uint8Array.from(new Generator(3).rand([32 * 32 * 3]), (value) => 255 * value),
);
/** White on the left half. */
const mask = createImage(
  32,
  32,
  Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (Math.floor(i / 3) % 32 < 16 ? 255 : 0)),
);
const request = {
  image,
  prompt: 'a photo of a dog',
  sourcePrompt: 'a photo of a cat',
  edit: 'p2p',
  guidanceScale: 1,
  steps: 4,
  seed: 3,
} as const satisfies RefineRequest;

let pipeline: Pipeline;
beforeAll(async () => {
  const dir = new URL('../../../../../fixtures/data/pipeline', import.meta.url).pathname;
  pipeline = await loadPipeline(dir, { threads: 1 });
});
afterAll(() => pipeline.dispose());

/** The latent that the run decodes last. */
async function edited(more: Partial<RefineRequest>) {
  let final = new Float64Array();
  const decode: Pipeline['decode'] = (latent, size) => {
    final = latent as typeof final;
    return pipeline.decode(latent, size);
  };
  const result = await refine({ ...request, ...more }, { pipeline: { ...pipeline, decode } });
  return { final, ...result };
}

const distance = (one: Float64Array, other: Float64Array) =>
  Math.max(...one.map((value, i) => Math.abs(value - other[i])));

describe('the edit p2p', () => {
  it('gives the image back under its own description', async () => {
    const { final, last } = await edited({ prompt: request.sourcePrompt });
    expect(distance(final, await pipeline.encode(image))).toBeLessThan(1e-3);
    expect(last.iteration).toBe(0);
    // Inverted: four steps of two calls; then as many of two prompts.
    expect(last.evaluations).toEqual({ forward: 8 + 16, pullback: 0 });
  });

  it('is plain sampling under the prompt where nothing follows', async () => {
    const { final } = await edited({ crossReplace: 0, selfReplace: 0 });
    const plain = await edited({ edit: 'edict', iterations: 0 });
    expect(distance(final, plain.final)).toBeLessThan(1e-3);
    expect(distance(final, await pipeline.encode(image))).toBeGreaterThan(0.01);
  });

  it('has an effect of each of its settings, and guides the prompt alone', async () => {
    const { final } = await edited({});
    for (const more of [
      { crossReplace: 0.2 },
      { selfReplace: 1 },
      { reweight: 'dog=3' },
      { guidanceScale: 3 },
      { strength: 0.5 },
    ]) {
      expect(distance((await edited(more)).final, final), JSON.stringify(more)).toBeGreaterThan(1e-4);
    }
    // A word that the source does not have keeps its own attention, times its factor.
    const prompt = 'a photo of a red cat';
    const added = (await edited({ prompt })).final;
    expect(distance((await edited({ prompt, reweight: 'red=3' })).final, added)).toBeGreaterThan(1e-4);
    const guided = await edited({ guidanceScale: 3 });
    expect(guided.last.evaluations).toEqual({ forward: 8 + 24, pullback: 0 });
    expect(distance((await edited({ reweight: 'dog=1' })).final, final)).toBe(0);
  });

  it('keeps what a mask protects', async () => {
    const { last } = await edited({ mask, feather: 0 });
    last.image.data.forEach((value, i) => {
      if (mask.data[i] === 0) expect(value).toBe(image.data[i]);
    });
    expect(last.image.data).not.toEqual(image.data);
  });

  it.each([
    [
      { sourcePrompt: undefined },
      'refine: edit p2p needs sourcePrompt, the text that describes the image as it is',
    ],
    [{ edit: 'edict', crossReplace: 0.5 }, 'refine: crossReplace is a setting of edit p2p, got edit edict'],
    [
      { edit: 'sdedit', sourcePrompt: undefined, reweight: 'cat=2' },
      'refine: reweight is a setting of edit p2p',
    ],
    [{ iterations: 3 }, 'refine: edit p2p makes one image, got iterations 3; use 0, or edit edict'],
    [{ sampler: 'ddim' }, 'refine: sampler must be edict or reversible-heun, got ddim'],
    [{ reweight: 'cat=2' }, 'reweight: "cat" is not in the prompt, whose words are: a photo of a dog'],
    [{ reweight: 'dog' }, 'reweight is not usable, got "dog"; must be word=weight with commas between them'],
    [{ reweight: 'dog=2,Dog=3' }, 'reweight: dog is there twice, got dog=2,Dog=3; give it once'],
    [{ reweight: 'dog=101' }, 'reweight is not usable, got "dog=101"'],
    [{ prompt: 'a [cat|dog]' }, 'changes from step to step'],
  ] as const)('is refused in one line: %j', async (more, message) => {
    const run = edited(more as Partial<RefineRequest>);
    await expect(run).rejects.toThrow(message);
    await expect(run).rejects.toBeInstanceOf(UserError);
  });
});
