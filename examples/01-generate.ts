/**
 * @file Makes an image on the embedded model: plain generation, then SGOOL from the same starting noise.
 *
 * npx tsx examples/01-generate.ts
 */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { encodePng, generate } from 'sgool';

const { before, best } = await generate({
  prompt: 'a red cat and a purple umbrella',
  seed: 3,
  preset: 'fast',
  iterations: 6,
});

await mkdir('sgool-output', { recursive: true });
await writeFile('sgool-output/before.png', encodePng(before.image));
await writeFile('sgool-output/image.png', encodePng(best.image));

const [plain, optimised] = [before.clip.A ?? 0, best.clip.A ?? 0];
console.log(
  `CLIP score: ${plain.toFixed(1)} before, ${optimised.toFixed(1)} after ${best.iteration} iterations`,
);
assert(optimised > plain, 'SGOOL must raise the CLIP score of this prompt');
