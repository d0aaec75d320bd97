/**
 * @file A scorer of your own selects the best of several seeds. It needs no gradient: any function of an image will do.
 *
 * npx tsx examples/04-own-scorer.ts
 */
import assert from 'node:assert/strict';
import { generate, type Image, loadPipeline } from 'sgool';

/** How much red stands out against green and blue, from -1 to 1: the mean over all pixels. */
function redness({ data }: Image): number {
  let sum = 0;
  for (let i = 0; i < data.length; i += 3) sum += data[i] - Math.max(data[i + 1], data[i + 2]);
  return sum / (255 * (data.length / 3));
}

const pipeline = await loadPipeline('toybox');
const scores = new Map<number, number>();
for (let seed = 0; seed < 4; seed++) {
  const { best } = await generate(
    { prompt: 'a large red heart', method: 'sd', steps: 10, seed },
    { pipeline },
  );
  scores.set(seed, redness(best.image));
}
await pipeline.dispose();

const ranked = [...scores].sort(([, a], [, b]) => b - a);
const [[bestSeed, most], [, least]] = [ranked[0], ranked[ranked.length - 1]];
console.log(
  `the reddest heart has seed ${bestSeed}: ${most.toFixed(3)}, the least red one ${least.toFixed(3)}`,
);
assert(most > least, 'seeds must differ');
