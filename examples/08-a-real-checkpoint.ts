/**
 * @file Opens a checkpoint: a folder in the diffusers layout, a single .safetensors or .ckpt file, or a model that
 * `sgool models pull` has fetched. Without an argument it opens the folder of Toybox, which has the same layout.
 *
 * npx tsx examples/08-a-real-checkpoint.ts [folder, file or org/name]
 */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { encodePng, generate, listModels, loadPipeline } from 'sgool';

const place = process.argv[2] ?? listModels()[0].dir;
const pipeline = await loadPipeline(place, { memory: 'low' });
const { name, width, height, latentChannels } = pipeline.model;
console.log(`${name}: ${width} x ${height} pixels, ${latentChannels} latent channels`);

const { best } = await generate({ prompt: 'a red cat', method: 'sd', steps: 10, seed: 0 }, { pipeline });
await pipeline.dispose();
await mkdir('sgool-output', { recursive: true });
await writeFile('sgool-output/checkpoint.png', encodePng(best.image));

const values = new Set(best.image.data);
assert.deepEqual(
  [best.image.width, best.image.height],
  [width, height],
  'the image has the size of the model',
);
assert(values.size > 10, 'an image of a trained model is not flat');
