import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, type TensorMap, type TensorSpec, trace } from '@sgool/autodiff';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { required } from '../errors.ts';
import { runToEnd } from '../methods/generate.ts';
import { methods } from '../methods/index.ts';
import { componentOf, tokenizerOf } from '../models/components.ts';
import { autoencoder } from '../networks/autoencoder/autoencoder.ts';
import { autoencoderConfig } from '../networks/autoencoder/autoencoder-config.ts';
import { networkWeights } from '../networks/network-weights.ts';
import { textEncoder } from '../networks/text/text-encoder.ts';
import { clipTextConfig } from '../networks/text/text-encoder-config.ts';
import { unet } from '../networks/unet/unet.ts';
import { unetConfig } from '../networks/unet/unet-config.ts';
import { openSafetensors, readTypedTensor } from '../weights/formats/safetensors.ts';
import { openTensorFile } from '../weights/formats/tensor-file.ts';
import { float32Of, valuesOf } from '../weights/formats/tensor-views.ts';
import { type TensorToWrite, writeSafetensors } from '../weights/formats/write-safetensors.ts';
import type { ModelFolder } from '../weights/open/model-folder.ts';
import { openModel } from '../weights/open/open-model.ts';
import { readConfig } from '../weights/sources/read-config.ts';
import { type LoadOptions, loadPipeline } from './load-pipeline.ts';

const data = new URL('../../../../fixtures/data/', import.meta.url).pathname;
const folder = `${data}pipeline`;
const formats = `${data}formats`;
const request = { prompt: 'a photo of a cat', negativePrompt: 'dog', guidanceScale: 3, seed: 0, steps: 2 };

/** The image that a model makes for one request, and its CLIP's embedding of the prompt. */
async function results(model: string, options: LoadOptions = {}) {
  const pipeline = await loadPipeline(model, options);
  try {
    const { before } = await runToEnd(methods.sd.run(pipeline, { ...request, width: 32, height: 32 }));
    const critic = await pipeline.critic();
    return { image: before.image.data, text: await critic.embedText(request.prompt) };
  } finally {
    await pipeline.dispose();
  }
}

function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual).toHaveLength(expected.length);
  const size = Math.max(...Array.from(expected, Math.abs));
  return Math.max(...Array.from(expected, (value, i) => Math.abs(actual[i] - value))) / size;
}

async function run(
  inputs: Record<string, TensorSpec>,
  feeds: Record<string, Float32Array | Int32Array>,
  build: (symbols: TensorMap) => TensorMap,
) {
  const program = await compile(trace(inputs, build), { threads: 1 });
  try {
    return await program.run(feeds);
  } finally {
    await program.dispose();
  }
}

/** How far text encoder and UNet of an opened model are from the stored numbers of transformers and diffusers. */
async function errors(model: ModelFolder, expectedPath: string) {
  const file = await openSafetensors(expectedPath);
  const read = async (name: string) => (await readTypedTensor(file, name)).data as Float32Array & Int32Array;
  const text = componentOf(model, 'text_encoder');
  const network = componentOf(model, 'unet');
  const { states } = await run(
    { ids: { shape: [1, 16], dtype: 'int32' } },
    { ids: await read('ids') },
    ({ ids }) => ({
      states: textEncoder(clipTextConfig(text.config), networkWeights(text.weights))(ids).lastHiddenState,
    }),
  );
  const { prediction } = await run(
    { sample: { shape: [1, 4, 8, 8] }, timestep: { shape: [1] }, context: { shape: [1, 16, 16] } },
    { sample: await read('sample'), timestep: Float32Array.of(981), context: await read('states') },
    ({ sample, timestep, context }) => ({
      prediction: unet(
        unetConfig(network.config),
        networkWeights(network.weights),
      )({ sample, timestep, context }),
    }),
  );
  return {
    states: relativeError(states as Float32Array, await read('states')),
    prediction: relativeError(prediction as Float32Array, await read('prediction')),
  };
}

describe('Stable Diffusion 1.x in one file', () => {
  let expected: Awaited<ReturnType<typeof results>>;
  beforeAll(async () => {
    expected = await results(folder);
  });

  it.each(['ldm-v1.ckpt', 'ldm-v1-legacy.ckpt'])(
    '%s gives what the folder of the same model gives',
    async (name) => {
      const actual = await results(`${formats}/${name}`, { config: folder, clip: `${folder}/clip` });
      expect(actual.image).toEqual(expected.image);
      expect(actual.text).toEqual(expected.text);
    },
  );

  it('takes the averaged weights, or the others on request', async () => {
    const actual = await results(`${formats}/ldm-v1.ckpt`, { config: folder, clip: folder, ema: false });
    expect(actual.image).not.toEqual(expected.image);
  });

  it('takes CLIP from the archive of OpenAI', async () => {
    const actual = await results(folder, { config: folder, clip: `${formats}/clip-openai.pt` });
    expect(actual.image).toEqual(expected.image);
    expect(relativeError(actual.text, expected.text)).toBeLessThan(2e-3); // the archive is in float16
  });

  it('says which part is missing and which option brings it', async () => {
    const model = `${formats}/ldm-v1.ckpt`;
    await expect(loadPipeline(model, { config: `${formats}/ldm-v2` })).rejects.toThrow(
      /ldm-v1\.ckpt: it has no tokenizer.*the option tokenizer/,
    );
    const pipeline = await loadPipeline(model, { config: folder, tokenizer: folder });
    await expect(pipeline.critic()).rejects.toThrow(/ldm-v1\.ckpt: it has no CLIP.*the option clip/);
    await pipeline.dispose();
    await expect(loadPipeline(model, { tokenizer: formats })).rejects.toThrow(
      /formats has no tokenizer; give a folder with tokenizer\.json/,
    );
    await expect(loadPipeline(model, { clip: model })).rejects.toThrow(/ldm-v1\.ckpt: not a CLIP/);
    await expect(loadPipeline(model, { vae: `${formats}/clip-openai.pt` })).rejects.toThrow(
      /not an autoencoder/,
    );
    await expect(loadPipeline(`${formats}/lora-kohya.safetensors`)).rejects.toThrow(
      /a LoRA, which changes a model/,
    );
    await expect(loadPipeline(`${formats}/clip-openai.pt`)).rejects.toThrow(/a CLIP, not a whole model/);
    await expect(loadPipeline(`${folder}/unet/diffusion_pytorch_model.safetensors`)).rejects.toThrow(
      /a UNet with the names of diffusers, a single network/,
    );
  });
});

describe('checkpoints that are put together in other ways', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sgool-formats-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  /** Some tensors of a stored checkpoint as a safetensors file, under other names. */
  async function written(from: string, rename: (name: string) => string | undefined, more = {}) {
    const { tensors } = await openTensorFile(`${formats}/${from}`);
    const kept = [...tensors].flatMap(([name, tensor]): [string, TensorToWrite][] => {
      const renamed = rename(name);
      return renamed === undefined
        ? []
        : [[renamed, { dtype: tensor.dtype, shape: tensor.shape, data: valuesOf(tensor) }]];
    });
    const path = join(dir, 'model.safetensors');
    await writeSafetensors(path, { ...Object.fromEntries(kept), ...more });
    return path;
  }
  const row = { dtype: 'F32' as const, shape: [1], data: new Float32Array(1) };

  it('recognises a latent consistency model by the guidance input of its UNet', async () => {
    const projection = { dtype: 'F32' as const, shape: [8, 32], data: new Float32Array(256).fill(0.1) };
    const path = await written('ldm-v1-legacy.ckpt', (name) => name, {
      'model.diffusion_model.time_embed.cond_proj.weight': projection,
    });
    const model = await openModel(path);
    const { config, weights } = componentOf(model, 'unet');
    expect(config.time_cond_proj_dim).toBe(32);
    expect(weights.has('time_embedding.cond_proj.weight')).toBe(true);
    expect(model.schedulerConfig._class_name).toBe('LCMScheduler');
  });

  it('opens a model for inpainting, by the input of its UNet', async () => {
    const first = 'model.diffusion_model.input_blocks.0.0.weight';
    const { tensors } = await openTensorFile(`${formats}/ldm-v1-legacy.ckpt`);
    const plain = required(tensors.get(first));
    const [width] = plain.shape;
    // Weights of zero for the mask and the masked image: it makes what the plain model makes.
    const data = new Float32Array(width * 9 * 9);
    float32Of(plain).forEach((value, i) => {
      data[Math.floor(i / 36) * 81 + (i % 36)] = value;
    });
    const path = await written('ldm-v1-legacy.ckpt', (name) => (name === first ? undefined : name), {
      [first]: { dtype: 'F32', shape: [width, 9, 3, 3], data },
    });
    expect(componentOf(await openModel(path), 'unet').config.in_channels).toBe(9);
    const options = { config: await inpaintingConfig(), clip: folder };
    const pipeline = await loadPipeline(path, options);
    expect(pipeline.model).toMatchObject({ paintsMask: true, latentChannels: 4 });
    await pipeline.dispose();
    const expected = await results(folder);
    const actual = await results(path, options);
    const levels = actual.image.map((value, i) => Math.abs(value - expected.image[i]));
    expect(Math.max(...levels)).toBeLessThanOrEqual(1);
  });

  /** The configurations of the plain folder, but for the UNet's input. */
  async function inpaintingConfig() {
    const config = join(dir, 'config');
    await cp(folder, config, { recursive: true });
    const place = join(config, 'unet', 'config.json');
    await writeFile(place, JSON.stringify({ ...(await readConfig(place)), in_channels: 9 }));
    return config;
  }

  it('takes an autoencoder from elsewhere, of a checkpoint or with names of its own', async () => {
    const expected = await results(folder);
    const bare = await written('ldm-v1-legacy.ckpt', (name) =>
      name.startsWith('first_stage') ? undefined : name,
    );
    const options = { config: folder, clip: folder };
    await expect(openModel(bare, options)).rejects.toThrow(/has no autoencoder.*the option vae/);
    for (const vae of [`${formats}/ldm-v1.ckpt`, `${folder}/vae`, folder]) {
      // The configuration of the model's own says what shapes do not; here there is no own one.
      const model = await openModel(bare, { ...options, vae });
      expect(componentOf(model, 'vae').weights.names()).toHaveLength(148);
    }
    expect((await results(bare, { ...options, vae: folder })).image).toEqual(expected.image);
    const loose = await written('ldm-v1-legacy.ckpt', (name) => /^first_stage_model\.(.*)/.exec(name)?.[1], {
      'loss.logvar': row,
    });
    expect((await results(folder, { vae: loose })).image).toEqual(expected.image);
  });

  it('finds the text encoder where SD-Turbo has it, and distinguishes other models', async () => {
    const turbo = await written('ldm-v2/model.ckpt', (name) =>
      name.replace('cond_stage_model.model.', 'conditioner.embedders.0.model.'),
    );
    const model = await openModel(turbo, { config: `${formats}/ldm-v2` });
    expect(componentOf(model, 'text_encoder').config.num_hidden_layers).toBe(2);
    const other = (await openModel(`${formats}/ldm-v2/model.ckpt`)).schedulerConfig;
    expect(other._class_name).toBe('DDIMScheduler');
    expect((await openModel(turbo)).schedulerConfig).toMatchObject({
      _class_name: 'EulerDiscreteScheduler',
      timestep_spacing: 'trailing',
    });

    const refused = async (more: object, message: RegExp, without = '') => {
      const path = await written('ldm-v2/model.ckpt', (name) => (name === without ? undefined : name), more);
      await expect(openModel(path)).rejects.toThrow(message);
    };
    const first = 'model.diffusion_model.input_blocks.0.0.weight';
    const inputs = (channels: number) => ({
      [first]: { dtype: 'F32', shape: [1, channels, 1, 1], data: new Float32Array(channels) },
    });
    await refused(
      inputs(6),
      /a model with 6 input channels is not supported; 4 are, and 9 for inpainting/,
      first,
    );
    await refused(inputs(5), /a model with a depth map \(5 input channels\)/, first);
    await refused({ 'conditioner.embedders.1.model.ln_final.weight': row }, /Stable Diffusion XL/);
    await refused({ 'model.diffusion_model.single_stream_modulation.lin.weight': row }, /FLUX\.2/);
  });
});

describe('Stable Diffusion 2.x in one file', () => {
  const expectedPath = `${formats}/ldm-v2/expected.safetensors`;
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sgool-formats-'));
    await cp(`${formats}/ldm-v2/model.ckpt`, join(dir, 'model.ckpt'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  it('uses the OpenCLIP text encoder without its last layer, linear projections, heads by width', async () => {
    const model = await openModel(`${formats}/ldm-v2/model.ckpt`, { config: `${formats}/ldm-v2` });
    const { states, prediction } = await errors(model, expectedPath);
    expect(states).toBeLessThan(1e-5);
    expect(prediction).toBeLessThan(1e-4);
    expect(tokenizerOf(model).config).toEqual({ pad_token: '!' });

    const file = await openSafetensors(expectedPath);
    const { config, weights } = componentOf(model, 'vae');
    const { image } = await run(
      { latent: { shape: [1, 4, 4, 4] } },
      { latent: (await readTypedTensor(file, 'latent')).data as Float32Array },
      ({ latent }) => ({
        image: autoencoder(autoencoderConfig(config), networkWeights(weights)).decode(latent),
      }),
    );
    expect(
      relativeError(image as Float32Array, (await readTypedTensor(file, 'picture')).data as Float32Array),
    ).toBeLessThan(1e-4);
  });

  it('knows what is predicted from the option, a .yaml beside the file, or the weights', async () => {
    const path = join(dir, 'model.ckpt');
    const predicted = async (options = {}) => {
      const model = await openModel(path, options);
      return [model.schedulerConfig.prediction_type, componentOf(model, 'unet').config.sample_size];
    };
    // The bias that decides is random here, with a deviation of about 0.1.
    expect(await predicted()).toEqual(['v_prediction', 96]);
    await writeFile(join(dir, 'model.yaml'), 'model:\n  params:\n    linear_start: 0.00085\n');
    expect(await predicted()).toEqual(['epsilon', 64]);
    await writeFile(join(dir, 'model.yaml'), 'model:\n  params:\n    parameterization: "v"\n');
    expect(await predicted()).toEqual(['v_prediction', 96]);
    expect(await predicted({ predictionType: 'epsilon' })).toEqual(['epsilon', 64]);
  });

  it.each([24, 23])(
    'knows its text encoder under the names of stable-diffusion.cpp: %i layers',
    async (layers) => {
      const { tensors } = await openTensorFile(`${formats}/ldm-v2/model.ckpt`);
      const others = [...tensors].filter(([name]) => !name.startsWith('cond_stage_model.'));
      const text = 'cond_stage_model.transformer.text_model.';
      const zeros = (...shape: number[]): TensorToWrite => ({
        dtype: 'U8',
        shape,
        data: new Uint8Array(shape.reduce((all, size) => all * size, 1)),
      });
      const path = join(dir, 'cpp.safetensors');
      await writeSafetensors(path, {
        ...Object.fromEntries(
          others.map(([name, one]) => [name, { dtype: one.dtype, shape: one.shape, data: valuesOf(one) }]),
        ),
        // The width decides; the rest of a layer is not looked at.
        [`${text}embeddings.token_embedding.weight`]: zeros(64, 1024),
        [`${text}embeddings.position_embedding.weight`]: zeros(77, 1024),
        [`${text}encoder.layers.0.mlp.fc1.weight`]: zeros(4096, 1024),
        [`${text}final_layer_norm.weight`]: zeros(1024),
        ...Object.fromEntries(
          Array.from({ length: layers }, (_, i) => [
            `${text}encoder.layers.${i}.layer_norm1.weight`,
            zeros(1024),
          ]),
        ),
      });
      const model = await openModel(path);
      const { config, weights } = componentOf(model, 'text_encoder');
      // The last of 24 layers is not used; a file with 23 has lost it already.
      expect(config).toMatchObject({ num_hidden_layers: 23, hidden_act: 'gelu', hidden_size: 1024 });
      expect(weights.names().filter((name) => name.includes('layers.23.'))).toEqual([]);
      expect(weights.names().filter((name) => name.includes('layers.22.'))).toHaveLength(1);
      expect(model.schedulerConfig.prediction_type).toBe('v_prediction');
      expect(tokenizerOf(model).config).toEqual({ pad_token: '!' });
    },
  );

  it('reads configurations off the shapes', async () => {
    const model = await openModel(`${formats}/ldm-v2/model.ckpt`);
    expect(componentOf(model, 'unet').config).toMatchObject({
      block_out_channels: [8, 16],
      down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D'],
      up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D'],
      layers_per_block: 1,
      cross_attention_dim: 16,
      use_linear_projection: true,
    });
    expect(componentOf(model, 'vae').config).toMatchObject({
      block_out_channels: [4, 4, 4],
      latent_channels: 4,
    });
    expect(componentOf(model, 'text_encoder').config).toMatchObject({
      num_hidden_layers: 2,
      hidden_act: 'gelu',
    });
  });
});

describe('LoRA', () => {
  const expectedPath = `${formats}/lora-expected.safetensors`;

  it.each(['lora-kohya.safetensors', 'lora-peft.safetensors', 'lora-old.bin'])(
    '%s changes the model as torch does',
    async (name) => {
      const lora = { path: `${formats}/${name}`, weight: 0.7 };
      const { states, prediction } = await errors(await openModel(folder, { loras: [lora] }), expectedPath);
      expect(states).toBeLessThan(1e-5);
      expect(prediction).toBeLessThan(1e-4);
      const without = await errors(await openModel(folder), expectedPath);
      expect(without.states).toBeGreaterThan(1e-2);
      expect(without.prediction).toBeGreaterThan(1e-2);
    },
  );

  it('adds up, and can be taken back', async () => {
    const path = `${formats}/lora-kohya.safetensors`;
    const twice = [0.5, 0.2].map((weight) => ({ path, weight }));
    expect((await errors(await openModel(folder, { loras: twice }), expectedPath)).prediction).toBeLessThan(
      1e-4,
    );
    const back = await results(folder, { loras: [{ path }, { path, weight: -1 }] });
    const levels = (await results(folder)).image.map((level: number, i: number) =>
      Math.abs(level - back.image[i]),
    );
    expect(Math.max(...levels)).toBeLessThanOrEqual(1);
  });

  it('refuses what is no LoRA for this model', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sgool-lora-'));
    const path = join(dir, 'lora.safetensors');
    const matrix = (...shape: [number, number]) => ({
      dtype: 'F32' as const,
      shape,
      data: new Float32Array(shape[0] * shape[1]),
    });
    const module = 'lora_unet_mid_block_attentions_0_proj_in';
    const pair = {
      [`${module}.lora_down.weight`]: matrix(2, 16),
      [`${module}.lora_up.weight`]: matrix(16, 2),
    };
    const cases: [Record<string, ReturnType<typeof matrix>>, RegExp][] = [
      [
        { ...pair, [`${module}.lora_up.weight`]: matrix(17, 2) },
        /another model: .*proj_in\.weight is \[16,16,1,1\]/,
      ],
      [{ ...pair, [`${module}.alpha`]: matrix(1, 2) }, /has rank 2 and alpha NaN/],
      [{ [`${module}.lora_down.weight`]: matrix(2, 16) }, /has only one of its two matrices/],
      [{ [`${module}.hada_w1_a`]: matrix(2, 2) }, /module mid_block_attentions_0_proj_in has no hada_w1_b/],
      [
        {
          'lora_unet_absent.lora_down.weight': matrix(2, 2),
          'lora_unet_absent.lora_up.weight': matrix(2, 2),
        },
        /the unet has no module absent/,
      ],
    ];
    try {
      for (const [tensors, message] of cases) {
        await writeSafetensors(path, tensors);
        await expect(openModel(folder, { loras: [{ path }] })).rejects.toThrow(message);
      }
      await writeSafetensors(path, pair);
      await expect(openModel(folder, { loras: [{ path, weight: Number.NaN }] })).rejects.toThrow(
        /must be a number/,
      );
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
