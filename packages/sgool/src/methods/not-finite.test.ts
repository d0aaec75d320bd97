/** One number of one network is not finite: every method that uses the network ends, says which, and keeps its images. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NotFiniteError, UserError } from '../errors.ts';
import { wholeCrop } from '../image/crops.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
import { clipGuide } from '../preference/clip-guide.ts';
import { plant } from '../weights/testing.ts';
import { refinement } from './edit/refine.ts';
import { parseRefineRequest } from './edit/refine-request.ts';
import { METHOD_NAMES, type MethodName, methods } from './index.ts';
import type { Iteration } from './run/iteration.ts';

let model: Awaited<ReturnType<typeof writeTinyModel>>;
beforeAll(async () => {
  model = await writeTinyModel();
});
afterAll(() => model.remove());

const image = {
  width: 32,
  height: 32,
  data: Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (7 * i) % 256),
};
const request = { prompt: 'a red cat and a blue boat', seed: 1, steps: 2, iterations: 1 };

type User = MethodName | 'refine' | 'sdedit';
const ALL: readonly User[] = [...METHOD_NAMES, 'refine', 'sdedit'];

/** Runs a method and gives its images and how it ended. */
async function run(user: User, pipeline: Awaited<ReturnType<typeof loadPipeline>>) {
  const { iterations, ...short } = request;
  const isEdit = user === 'refine' || user === 'sdedit';
  const edit = user === 'sdedit' ? user : 'edict';
  const method = isEdit ? refinement(parseRefineRequest({ ...short, image, edit })) : methods[user];
  const hasIterations = user !== 'sdedit' && Object.hasOwn(method.settings, 'iterations');
  const input = hasIterations ? request : short;
  const given: Iteration[] = [];
  try {
    for await (const iteration of method.run(pipeline, input)) given.push(iteration);
  } catch (error) {
    return { given, error };
  }
  return { given, error: undefined };
}

/** A tensor of each network near its beginning and its end, what the message says of it, and how many images there are by then. */
const NETWORKS: readonly [
  folder: string,
  tensors: readonly string[],
  message: RegExp,
  users: readonly User[],
  images: number,
][] = [
  [
    'text_encoder',
    ['text_model.embeddings.position_embedding.weight', 'text_model.final_layer_norm.bias'],
    /text encoder 12: its output states holds/,
    ALL,
    0,
  ],
  [
    'unet',
    ['conv_in.weight', 'conv_out.bias'],
    /step \d of 2: unet \S+, 12 tokens at timestep \d+: its output prediction holds/,
    ALL,
    0,
  ],
  [
    'vae',
    ['decoder.conv_in.weight', 'decoder.conv_out.bias'],
    /decoder \S+: its output planes holds/,
    ALL,
    0,
  ],
  [
    'vae',
    ['encoder.conv_in.weight', 'quant_conv.bias'],
    /encoder \S+.*: its output latent holds/,
    ['refine', 'sdedit'],
    0,
  ],
  [
    'clip',
    ['vision_model.embeddings.class_embedding', 'visual_projection.weight'],
    /clip image: its output embedding holds/,
    ALL,
    1,
  ],
  [
    'clip_b',
    ['vision_model.embeddings.patch_embedding.weight', 'text_projection.weight'],
    /clip_b (image|text 12): its output embedding holds/,
    ALL,
    1,
  ],
  [
    'clip',
    ['text_model.embeddings.position_embedding.weight', 'text_projection.weight'],
    /clip text 12: its output embedding holds/,
    ['sd', 'best-of', 'sdedit'],
    1,
  ],
  [
    'transalnet',
    ['decoder.conv1.weight', 'decoder.conv7.bias'],
    /transalnet\/model.safetensors: weight decoder\S+ holds/,
    ['sgool', 'refine'],
    1,
  ],
];

describe.each([Number.NaN, Number.POSITIVE_INFINITY])('%f in', (value) => {
  const cases = NETWORKS.flatMap(([folder, tensors, ...rest]) =>
    // An infinity near the beginning of a network is NaN a layer later.
    (Number.isNaN(value) ? tensors : tensors.slice(1)).map(
      (tensor) => [`${folder}/${tensor}`, folder, tensor, ...rest] as const,
    ),
  );
  it.each(cases)('%s', async (_, folder, tensor, message, users, images) => {
    const file = ['unet', 'vae'].includes(folder) ? 'diffusion_pytorch_model' : 'model';
    const repair = await plant(path.join(model.dir, folder, `${file}.safetensors`), tensor, value);
    const pipeline = await loadPipeline(model.dir, { threads: 1 });
    try {
      for (const user of users) {
        const { given, error } = await run(user, pipeline);
        expect(error, user).toBeInstanceOf(UserError);
        const { message: said } = error as UserError;
        expect(said, user).toMatch(message);
        expect(said, user).toMatch(/^\S+: stopped in iteration 0: /);
        const named = `${file}.safetensors: weight ${tensor} holds ${value}; every number must be finite`;
        expect(said, user).toContain(named);
        expect(given, user).toHaveLength(images);
      }
    } finally {
      await pipeline.dispose();
      await repair();
    }
  });
});

describe('where no image is decoded before', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY])('the objective sees %d in the planes', async (value) => {
    // Clamped, infinite planes are white.
    const file = path.join(model.dir, 'vae/diffusion_pytorch_model.safetensors');
    const repair = await plant(file, 'decoder.conv_out.bias', value);
    const pipeline = await loadPipeline(model.dir, { threads: 1 });
    const critic = await pipeline.critic();
    const size = { width: 32, height: 32 };
    const objective = await pipeline.objective({
      ...size,
      saturatedGradient: 'clamp',
      parts: [{ guide: clipGuide(await pipeline.critic()), views: 1 }],
    });
    const crop = wholeCrop({ ...size, side: critic.side });
    const views = [{ crop, aim: { text: await critic.embedText('a cat') }, weight: 1 }];
    const evaluated = objective.evaluate(new Float64Array(4 * 8 * 8).fill(0.1), [{ views }]);
    await expect(evaluated).rejects.toThrow(/^objective clip.*: its output \S+ holds NaN/);
    await pipeline.dispose();
    await repair();
  });
});

it('a picture that cannot be decoded later leaves the ones before', async () => {
  const pipeline = await loadPipeline(model.dir, { threads: 1 });
  for (const user of ['best-of', 'sgool', 'doodl', 'clip-guided', 'refine'] as const) {
    let calls = 0;
    const broken: typeof pipeline = {
      ...pipeline,
      async decode(latent, size) {
        if (++calls === 2) throw new NotFiniteError('decoder: its output planes holds NaN');
        return pipeline.decode(latent, size);
      },
    };
    const { given, error } = await run(user, broken);
    expect(
      given.map(({ iteration }) => iteration),
      user,
    ).toEqual([0]);
    expect(given[0].best, user).toBe(true);
    expect((error as Error).message, user).toMatch(
      /^\S+: stopped in iteration 1: decoder: its output planes holds NaN$/,
    );
  }
  await pipeline.dispose();
});

it.each([
  [
    'vae/diffusion_pytorch_model',
    'encoder.conv_in.weight',
    /^detail: stopped in iteration 1: encoder \S+.*: its output latent holds/,
  ],
  ['transalnet/model', 'decoder.conv7.bias', /^detail: stopped in iteration 1: .*weight decoder\S+ holds/],
])('the detail pass leaves the image before it: %s', async (file, tensor, message) => {
  const repair = await plant(path.join(model.dir, `${file}.safetensors`), tensor, Number.NaN);
  const pipeline = await loadPipeline(model.dir, { threads: 1 });
  try {
    const { given, error } = await run('detail', pipeline);
    expect(given.map(({ iteration, best }) => [iteration, best])).toEqual([[0, true]]);
    expect((error as Error).message).toMatch(message);
  } finally {
    await pipeline.dispose();
    await repair();
  }
});

it('latents that are finite and far too large make no picture', async () => {
  const pipeline = await loadPipeline(model.dir, { threads: 1 });
  const latent = new Float64Array(4 * 8 * 8).fill(1e30);
  await expect(pipeline.decode(latent, { width: 32, height: 32 })).rejects.toThrow(
    /^decoder 1x4x8x8: its input latent holds 1\.00e\+30, too much for float32/,
  );
  await pipeline.dispose();
});
