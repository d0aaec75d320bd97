/** One number of one network is not finite: every method that uses the network ends, says which, and keeps its images. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
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
const request = { prompt: 'a red cat', seed: 1, steps: 2, iterations: 1 };

type User = MethodName | 'refine';
const ALL: readonly User[] = [...METHOD_NAMES, 'refine'];

/** Runs a method and gives its images and how it ended. */
async function run(user: User, pipeline: Awaited<ReturnType<typeof loadPipeline>>) {
  const { iterations, ...short } = request;
  const hasIterations = user === 'refine' || Object.hasOwn(methods[user].settings, 'iterations');
  const input = hasIterations ? request : short;
  const method = user === 'refine' ? refinement(parseRefineRequest({ ...input, image })) : methods[user];
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
    /encoder \S+: its output latent holds/,
    ['refine'],
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
    ['sd', 'best-of'],
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
    tensors.map((tensor) => [`${folder}/${tensor}`, folder, tensor, ...rest] as const),
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
        expect(said, user).toMatch(
          /holds (NaN|-?Infinity)(, \d+ of \d+ numbers are not finite; its weights|; every)/,
        );
        expect(given, user).toHaveLength(images);
      }
    } finally {
      await pipeline.dispose();
      await repair();
    }
  });
});
