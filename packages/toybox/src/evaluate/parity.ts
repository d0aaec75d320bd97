/**
 * @file Our half of fixtures/make/check_toybox.py: makes an image with this library and writes every intermediate result, which
 * the other half compares with diffusers and transformers.
 */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { add, compile, div, trace } from '@sgool/autodiff';
import { Generator, imageFromPlanes, loadPipeline } from 'sgool';
import { ddim, euler, sample } from 'sgool/diffusion';
import { autoencoder, autoencoderConfig, loadTokenizer, networkWeights, openComponent } from 'sgool/networks';
import { writeSafetensors } from 'sgool/node';
import { WEIGHTS_FOLDER } from '../paths.ts';
import { describe } from '../world/describe.ts';
import { describeFlow } from '../world/describe-counted.ts';
import { sceneFromSeed } from '../world/sample.ts';
import { flowSceneFromSeed } from '../world/sample-counted.ts';
import { sceneGenerator } from '../world/scene-generator.ts';
import { runProgram, wholeNumber } from './program.ts';
import { READING } from './scoring.ts';

/** Of the world of each model. */
const CAPTIONS = 50;
/** The sampler of each model's published pipeline. */
const SAMPLERS = { 'variance-preserving': ddim, 'rectified-flow': euler };
/** What the world's captions do not contain: no word at all, capitals, words outside the vocabulary, too many words. */
const ODD_CAPTIONS = [
  '',
  'A Red CAT,and a blue boat!',
  'the quick brown fox jumps over 13 lazy dogs',
  'a red cat and '.repeat(20).trim(),
];

await runProgram('parity', async () => {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', default: WEIGHTS_FOLDER },
      out: { type: 'string', default: 'sgool-output/parity' },
      prompt: { type: 'string', default: 'a red cat and a blue boat' },
      seed: { type: 'string', default: '0' },
      steps: { type: 'string', default: '50' },
      guidance: { type: 'string', default: '7.5' },
    },
  });
  const { prompt } = values;
  const seed = wholeNumber('--seed', values.seed, 0);
  const steps = wholeNumber('--steps', values.steps, 1);
  const guidanceScale = Number(values.guidance);

  const pipeline = await loadPipeline(values.model);
  const { width, height } = pipeline.model;
  const shape = [...pipeline.latentShape({ width, height })];
  const noise = new Generator(seed).randn(shape);
  const denoiser = await pipeline.denoiser({ prompt, ...READING, guidanceScale, width, height });
  const noisePath = pipeline.noisePath({ width, height });
  const [latent] = await sample(
    SAMPLERS[noisePath.kind](noisePath, steps),
    denoiser,
    Float64Array.from(noise),
  );

  // The library's own decoder rounds to eight bits; this one does not.
  const vae = await openComponent(path.join(pipeline.model.dir, 'vae'));
  const config = autoencoderConfig(vae.config);
  const decoder = await compile(
    trace({ latent: { shape } }, (inputs) => ({
      planes: autoencoder(config, networkWeights(vae.weights)).decode(
        add(div(inputs.latent, config.scaling_factor), config.shift_factor ?? 0),
      ),
    })),
  );
  const planes = (await decoder.run({ latent: Float32Array.from(latent) })).planes as Float32Array;
  const image = planes.map((v) => Math.min(1, Math.max(0, v / 2 + 0.5)));
  const shown = imageFromPlanes(image, width, height);
  const scores = await pipeline.score(shown, prompt);

  const tokenizer = await loadTokenizer(path.join(pipeline.model.dir, 'tokenizer'));
  const words = sceneGenerator(9);
  const captions = [
    ...Array.from({ length: CAPTIONS }, (_, i) => describe(sceneFromSeed(i), words).text),
    ...Array.from({ length: CAPTIONS }, (_, i) => describeFlow(flowSceneFromSeed(i), words).text),
    ...ODD_CAPTIONS,
  ];
  const ids = captions.flatMap((caption) => [...tokenizer.encode(caption).ids]);

  await mkdir(values.out, { recursive: true });
  await writeSafetensors(
    path.join(values.out, 'parity.safetensors'),
    {
      noise: { dtype: 'F32', shape, data: Float32Array.from(noise) },
      latent: { dtype: 'F32', shape, data: Float32Array.from(latent) },
      image: { dtype: 'F32', shape: [1, 3, height, width], data: image },
      bytes: { dtype: 'U8', shape: [height, width, 3], data: shown.data },
      ids: {
        dtype: 'I32',
        shape: [captions.length, tokenizer.maxLength],
        data: Int32Array.from(ids),
      },
    },
    { facts: JSON.stringify({ prompt, seed, steps, guidanceScale, captions, scores }) },
  );
  await decoder.dispose();
  await pipeline.dispose();
});
