import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { dropPositionIds, renameVaeAttention, weightSource } from '../formats/weight-source.ts';
import { writeSafetensors } from '../formats/write-safetensors.ts';
import { FORMATS } from '../testing.ts';
import { resolveModel } from './locate-model.ts';
import { openModelFolder } from './model-folder.ts';

const made: string[] = [];
let dir: string;

async function addNetwork(name: string, file: string, tensors = ['w'], config: unknown = { width: 8 }) {
  await mkdir(join(dir, name), { recursive: true });
  await writeFile(join(dir, name, 'config.json'), JSON.stringify(config));
  const entry = { dtype: 'F32', shape: [1], data: Float32Array.of(1) } as const;
  await writeSafetensors(join(dir, name, file), Object.fromEntries(tensors.map((tensor) => [tensor, entry])));
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-model-'));
  made.push(dir);
  await writeFile(
    join(dir, 'model_index.json'),
    '{"_class_name":"StableDiffusionPipeline","safety_checker":[null,null]}',
  );
  await addNetwork('unet', 'diffusion_pytorch_model.safetensors');
  await addNetwork('vae', 'diffusion_pytorch_model.fp16.safetensors');
  await addNetwork('text_encoder', 'model.safetensors');
});
afterAll(() => Promise.all(made.map((path) => rm(path, { recursive: true }))));

describe('openModelFolder', () => {
  it('opens the networks, the extra ones too, and takes fp16 where nothing else is', async () => {
    await addNetwork('clip_b', 'model.safetensors');
    await addNetwork('safety_checker', 'model.safetensors');
    await mkdir(join(dir, 'scheduler'));
    await writeFile(join(dir, 'scheduler', 'scheduler_config.json'), '{"beta_start":0.00085}');
    const model = await openModelFolder(dir);
    expect([...model.components.keys()].sort()).toEqual(['clip_b', 'text_encoder', 'unet', 'vae']);
    expect(model.components.get('vae')?.weights.path).toMatch(/fp16\.safetensors$/);
    expect(model.components.get('unet')?.config.width).toBe(8);
    expect(model.schedulerConfig).toEqual({ beta_start: 0.00085 });
    expect(model.tokenizers.get('tokenizer')?.dir).toBe(join(dir, 'tokenizer'));
  });

  it('takes networks from a model beside it, as its sgool.json says', async () => {
    const own = dir;
    dir = join(own, 'beside');
    await mkdir(dir);
    await addNetwork('clip', 'model.safetensors');
    await addNetwork('clip_b', 'model.safetensors');
    const beside = dir;
    dir = join(own, 'unfinished');
    await mkdir(dir);
    await writeFile(join(dir, 'model_index.json'), '{"_class_name":"StableDiffusionPipeline"}');
    for (const name of ['unet', 'vae', 'text_encoder']) await addNetwork(name, 'model.safetensors');
    await addNetwork('clip_b', 'model.safetensors', ['own']);
    const share = (networks: unknown) => writeFile(join(dir, 'sgool.json'), JSON.stringify({ networks }));
    await share({ clip: 'beside', clip_b: 'beside', transalnet: 'beside', clip_c: 'absent' });
    const { components } = await openModelFolder(dir);
    expect([...components.keys()].sort()).toEqual(['clip', 'clip_b', 'text_encoder', 'unet', 'vae']);
    expect(components.get('clip')?.dir).toBe(join(beside, 'clip'));
    expect([...(components.get('clip_b')?.weights.tensors.keys() ?? [])]).toEqual(['own']);

    for (const [networks, message] of [
      [['clip'], 'networks must be an object of names of models by network, got ["clip"]'],
      [{ unet: 'beside' }, 'networks: only clip, clip_b, clip_c, transalnet can be shared, got unet'],
      [
        { clip: '../beside' },
        'networks.clip must be the name of a folder beside the model\'s, got "../beside"',
      ],
      [{ clip: '..' }, 'networks.clip must be the name of a folder beside the model\'s, got ".."'],
      [{ clip: 7 }, "networks.clip must be the name of a folder beside the model's, got 7"],
    ] as const) {
      await share(networks);
      await expect(openModelFolder(dir)).rejects.toThrow(message);
    }
  });

  it('takes the variant that is asked for, or says which weights there are', async () => {
    await addNetwork('unet', 'diffusion_pytorch_model.fp16.safetensors');
    await addNetwork('text_encoder', 'model.fp16.safetensors');
    const model = await openModelFolder(dir, { variant: 'fp16' });
    expect(model.components.get('unet')?.weights.path).toMatch(/fp16/);
    await expect(openModelFolder(dir, { variant: 'bf16' })).rejects.toThrow(
      /unet: no weights; expected .* or model\.bf16\.safetensors \(or \.bin\), got diffusion_pytorch_model\.fp16/,
    );
  });

  it('joins shards and takes what torch saved where there is nothing else', async () => {
    const shard = (i: number) => `model-0000${i}-of-00002.safetensors`;
    await addNetwork('text_encoder', shard(1), ['a', 'b']);
    await addNetwork('text_encoder', shard(2), ['c']);
    const index = (map: unknown) =>
      writeFile(
        join(dir, 'text_encoder', 'model.safetensors.index.json'),
        JSON.stringify({ metadata: {}, weight_map: map }),
      );
    await rm(join(dir, 'text_encoder', 'model.safetensors'));
    await index({ a: shard(1), b: shard(1), c: shard(2) });
    await rm(join(dir, 'unet', 'diffusion_pytorch_model.safetensors'));
    await copyFile(`${FORMATS}values-zip.pt`, join(dir, 'unet', 'diffusion_pytorch_model.fp16.bin'));
    const { components } = await openModelFolder(dir);
    const { weights } = required(components.get('text_encoder'));
    expect(weights.names()).toEqual(['a', 'b', 'c']);
    expect(weights.get('a')).toMatchObject({ path: expect.stringContaining(shard(1)) });
    expect(weights.get('c')).toMatchObject({ path: expect.stringContaining(shard(2)) });
    expect(components.get('unet')?.weights.get('f32')).toMatchObject({ dtype: 'F32', shape: [4, 6] });

    await addNetwork('text_encoder', 'model-00003.safetensors', ['c']);
    for (const [map, message] of [
      [
        { a: shard(1), b: shard(1), c: 'model-00003.safetensors', toString: shard(2) },
        /model-00002-of-00002\.safetensors holds "c", which the index expects in model-00003\.safetensors/,
      ],
      [{ a: 'model\0.safetensors' }, /a shard must be a file beside the index, got "model\\u0000/],
      [{ a: '../model.safetensors' }, /a shard must be a file beside the index, got "\.\.\/model/],
      [{ ['__proto__']: shard(1) }, /the key __proto__ is refused/],
      [{ a: 7 }, /a file beside the index, got 7/],
      [{ a: 'absent.safetensors' }, /absent\.safetensors: the file does not exist/],
      [{ a: '/etc/passwd' }, /a shard must be a file beside the index, got "\/etc\/passwd"/],
      [{ a: 'C:model.safetensors' }, /a shard must be a file beside the index/],
      [{ a: '.model.safetensors' }, /a shard must be a file beside the index/],
      [{ a: '..' }, /a shard must be a file beside the index/],
      [{ a: shard(1), b: shard(1), d: shard(1) }, /model-00001-of-00002\.safetensors does not hold "d"/],
      [
        { a: shard(1), c: shard(2) },
        /index\.json: model-00001-of-00002\.safetensors holds "b", which the index does not list; download/,
      ],
      [
        { a: shard(1), b: shard(2), c: shard(2) },
        /model-00001-of-00002\.safetensors holds "b", which the index expects in model-00002-of-00002\.safetensors/,
      ],
      [{}, /weight_map is empty/],
      [undefined, /has no weight_map/],
    ] as const) {
      await index(map);
      await expect(openModelFolder(dir)).rejects.toThrow(message);
    }
  });

  it('names what is missing or broken', async () => {
    await expect(openModelFolder(join(dir, 'absent'))).rejects.toThrow(/absent is not a folder/);
    await expect(openModelFolder(join(dir, 'unet'))).rejects.toThrow(/has no model_index\.json/);
    await expect(openModelFolder(dir, { required: ['clip'] })).rejects.toThrow(/clip does not exist/);
    await rm(join(dir, 'vae', 'diffusion_pytorch_model.fp16.safetensors'));
    await writeFile(join(dir, 'vae', 'flax_model.msgpack'), '');
    await expect(openModelFolder(dir)).rejects.toThrow(/vae: no weights.*got flax_model\.msgpack/);
    await writeFile(join(dir, 'vae', 'diffusion_pytorch_model.bin'), '');
    await expect(openModelFolder(dir)).rejects.toThrow(/diffusion_pytorch_model\.bin: the file is empty/);
    await writeFile(join(dir, 'vae', 'config.json'), '{"a":');
    await expect(openModelFolder(dir)).rejects.toThrow(/config\.json: not valid JSON/);
    await writeFile(join(dir, 'vae', 'config.json'), '[]');
    await expect(openModelFolder(dir)).rejects.toThrow(/must hold a JSON object, got \[\]/);
  });
});

describe('weightSource', () => {
  it('gives old autoencoder files the new attention names', async () => {
    const old = ['query.weight', 'key.bias', 'value.weight', 'proj_attn.bias', 'group_norm.weight'];
    await addNetwork(
      'vae',
      'diffusion_pytorch_model.safetensors',
      old.map((name) => `decoder.mid_block.attentions.0.${name}`),
    );
    const { components } = await openModelFolder(dir);
    const source = weightSource(required(components.get('vae')).weights, renameVaeAttention);
    const names = source.names().map((name) => name.replace('decoder.mid_block.attentions.0.', ''));
    expect(names.sort()).toEqual([
      'group_norm.weight',
      'to_k.bias',
      'to_out.0.bias',
      'to_q.weight',
      'to_v.weight',
    ]);
    expect(source.get('decoder.mid_block.attentions.0.to_k.bias')).toMatchObject({
      dtype: 'F32',
      shape: [1],
      byteLength: 4,
    });
    expect(() => source.get('conv_in.weight')).toThrow(/vae.*the weight conv_in\.weight is missing/);
  });

  it('leaves out what the renaming drops and refuses two tensors for one name', async () => {
    await addNetwork('text_encoder', 'model.safetensors', ['a.position_ids', 'a.weight', 'b.weight']);
    const { weights } = required((await openModelFolder(dir)).components.get('text_encoder'));
    expect(weightSource(weights, dropPositionIds).names()).toEqual(['a.weight', 'b.weight']);
    expect(() => weightSource(weights, () => 'same')).toThrow(/two tensors have the name same/);
  });
});

describe('resolveModel', () => {
  it('takes a folder or file as it is and lists the names when it is neither', () => {
    expect(resolveModel(dir)).toEqual({ name: dir, dir });
    const file = join(dir, 'vae', 'config.json');
    expect(resolveModel(file)).toEqual({ name: file, dir: file });
    expect(() => resolveModel('models/sd.ckpt')).toThrow('the file models/sd.ckpt does not exist');
    expect(() => resolveModel('toyboks')).toThrow(
      /unknown, got toyboks; choose one of toybox,( toybox-flow,)? the path of a folder/,
    );
    expect(() => resolveModel('constructor')).toThrow(/unknown, got constructor/);
  });
});
