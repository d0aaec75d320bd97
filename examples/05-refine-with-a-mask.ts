/**
 * @file Changes the masked part of an existing image, and keeps every pixel outside the mask.
 *
 * npx tsx examples/05-refine-with-a-mask.ts
 */
import assert from 'node:assert/strict';
import { createImage, generate, loadPipeline, refine } from 'sgool';

const pipeline = await loadPipeline('toybox');
const prompt = 'a red cat to the left of a blue boat';
const { best: original } = await generate({ prompt, method: 'sd', steps: 10, seed: 3 }, { pipeline });
const { width, height } = original.image;

// White may change, black must not: the left half.
const white = Uint8Array.from({ length: 3 * width * height }, (_, i) =>
  Math.floor(i / 3) % width < width / 2 ? 255 : 0,
);
const { best, input } = await refine(
  {
    image: original.image,
    mask: createImage(width, height, white),
    sourcePrompt: prompt,
    prompt: 'a green cat to the left of a blue boat',
    steps: 10,
    iterations: 1,
    seed: 0,
  },
  { pipeline },
);
await pipeline.dispose();

const changed = best.image.data.filter((value, i) => value !== input.data[i] && white[i] === 255).length;
const touched = best.image.data.filter((value, i) => value !== input.data[i] && white[i] === 0).length;
console.log(`${changed} values changed inside the mask, ${touched} outside`);
assert(changed > 0 && touched === 0, 'only what the mask leaves open may change');
