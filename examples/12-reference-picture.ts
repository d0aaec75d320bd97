/**
 * @file Steers a run towards a picture: best-of finds the seed whose image looks most like it, DOODL moves a later latent towards it,
 * and image-to-image samples the picture itself again.
 *
 * npx tsx examples/12-reference-picture.ts
 */
import assert from 'node:assert/strict';
import { generate, loadPipeline, refine } from 'sgool';

const pipeline = await loadPipeline('toybox');
const prompt = 'a red cat';
const { best: reference } = await generate({ prompt, method: 'sd', steps: 6, seed: 3 }, { pipeline });

// textWeight 0: CLIP looks at the picture alone; the image is made from the prompt all the same.
const target = { targetImages: [{ image: reference.image }], textWeight: 0, steps: 6 };
const found = await generate({ prompt, method: 'best-of', seed: 1, iterations: 3, ...target }, { pipeline });
console.log(`seed ${found.best.seed} is the one, CLIP A ${found.best.clip.A?.toFixed(1)}`);
assert.equal(found.best.seed, 3);

// Half of the steps run once; the latent behind them moves.
const moved = await generate(
  { prompt: 'a cat', method: 'doodl', seed: 5, preset: 'fast', iterations: 3, optimiseFrom: 0.5, ...target },
  { pipeline },
);
console.log(`CLIP A ${moved.before.clip.A?.toFixed(1)} -> ${moved.best.clip.A?.toFixed(1)}`);
assert((moved.best.clip.A ?? 0) > (moved.before.clip.A ?? 0), 'the image is more like the picture');

const { best, input } = await refine(
  { image: reference.image, prompt: 'a blue cat', edit: 'sdedit', strength: 0.7, steps: 6, seed: 0 },
  { pipeline },
);
await pipeline.dispose();
const changed = best.image.data.filter((value, i) => Math.abs(value - input.data[i]) > 32).length;
console.log(`image-to-image changed ${Math.round((100 * changed) / input.data.length)} % of the values`);
assert(changed > 0 && changed < input.data.length / 2, 'a part of the picture changes');
