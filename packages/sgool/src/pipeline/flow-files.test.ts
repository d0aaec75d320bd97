/** Tiny flows as the single files that people have: the same pictures as from their folders. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { euler } from '../diffusion/samplers/euler.ts';
import { randomNormal } from '../diffusion/testing.ts';
import { runTrajectory } from '../diffusion/trajectory.ts';
import { required } from '../errors.ts';
import { joined } from '../weights/formats/part-source.ts';
import { float32Of } from '../weights/formats/tensor-views.ts';
import type { WeightSource, WeightTensor } from '../weights/formats/weight-source.ts';
import { writeSafetensors } from '../weights/formats/write-safetensors.ts';
import { FLOW_MODELS } from '../weights/names/flow-models.ts';
import { loraModules } from '../weights/names/transformer-naming.ts';
import { type ModelFolder, openModelFolder } from '../weights/open/model-folder.ts';
import { type LoadOptions, loadPipeline } from './load-pipeline.ts';
import { type TinyFlow, writeTinyFlow } from './testing.ts';

const size = { width: 32, height: 32 };
const made: (() => Promise<void>)[] = [];
let out: string;
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), 'sgool-flow-files-'));
});
afterAll(async () => {
  await rm(out, { recursive: true });
  for (const remove of made) await remove();
});

/** The transformer with the names of its training code. */
function inOneFile({ components }: ModelFolder): Map<string, WeightTensor> {
  const { config, weights } = required(components.get('transformer'));
  const { naming } = required(FLOW_MODELS.find(({ transformer }) => transformer === config._class_name));
  const file = new Map<string, WeightTensor>();
  for (const [theirs, ours] of Object.entries(naming.tensors ?? {})) file.set(theirs, weights.get(ours));
  for (const [module, parts] of loraModules(naming, weights.names())) {
    // Of the projections of a block of one sequence, files have all in one.
    if (/^single_blocks\.\d+\.qkv$/.test(module)) continue;
    for (const ending of ['weight', 'bias']) {
      const bases = parts.flatMap(({ name }) => weights.tensors.get(`${name}.${ending}`) ?? []);
      const end = /norm\.(query|key)_norm$/.test(module) ? 'scale' : ending;
      if (bases.length === parts.length) file.set(`${module}.${end}`, joined(bases, parts));
    }
  }
  return file;
}

const prefixed = (prefix: string, tensors: Iterable<[string, WeightTensor]>) =>
  Array.from(tensors, ([name, tensor]) => [prefix + name, tensor] as const);

async function write(name: string, tensors: Iterable<readonly [string, WeightTensor]>) {
  const path = join(out, name);
  const float16 = Array.from(tensors, ([key, tensor]) => {
    const { shape } = tensor;
    return [key, { dtype: 'F16' as const, shape, data: float32Of(tensor) }] as const;
  });
  await writeSafetensors(path, Object.fromEntries(float16));
  return path;
}

/** The picture of a seed, and the model's own notes. */
async function picture(model: string, options: LoadOptions = {}) {
  const pipeline = await loadPipeline(model, { threads: 1, ...options });
  try {
    const noise = Float64Array.from(
      randomNormal(
        pipeline.latentShape(size).reduce((a, b) => a * b),
        5,
      ),
    );
    const denoiser = await pipeline.denoiser({ prompt: 'a photo of a cat', ...size, guidanceScale: 3 });
    const { final } = await runTrajectory(
      'checkpointed',
      euler(pipeline.noisePath(size), 1),
      denoiser,
      noise,
    );
    return [...(await pipeline.decode(final[0], size)).data];
  } finally {
    await pipeline.dispose();
  }
}

async function tiny(name: TinyFlow) {
  const { dir, remove } = await writeTinyFlow(name);
  made.push(remove);
  const folder = await openModelFolder(dir);
  return {
    dir,
    folder,
    weights: (part: string): WeightSource => required(folder.components.get(part)).weights,
  };
}

describe('a flow in one file makes the picture of its folder', () => {
  it.each(['sd3'] as const)('%s, with everything in it', async (name) => {
    const { dir, folder, weights } = await tiny(name);
    const encoders = [
      ['clip_l', 'text_encoder'],
      ['clip_g', 'text_encoder_2'],
      ['t5xxl', 'text_encoder_3'],
    ].filter(([, part]) => folder.components.has(part));
    const path = await write(`${name}.safetensors`, [
      ...prefixed('model.diffusion_model.', inOneFile(folder)),
      ...prefixed('first_stage_model.', weights('vae').tensors),
      ...encoders.flatMap(([place, part]) =>
        prefixed(`text_encoders.${place}.transformer.`, weights(part).tensors),
      ),
    ]);
    expect(await picture(path, { config: dir })).toEqual(await picture(dir));
  });

  it.each(['flux-dev'] as const)('%s, with its parts in files of their own', async (name) => {
    const { dir, folder, weights } = await tiny(name);
    const path = await write(`${name}.safetensors`, inOneFile(folder));
    const [ae, clip, t5] = [
      await write('ae.safetensors', weights('vae').tensors),
      await write('clip_l.safetensors', weights('text_encoder').tensors),
      await write('t5xxl.safetensors', weights('text_encoder_2').tensors),
    ];
    const options = { config: dir, vae: ae, textEncoders: [clip, t5], tokenizer: dir };
    expect(await picture(path, options)).toEqual(await picture(dir));
  });
});
