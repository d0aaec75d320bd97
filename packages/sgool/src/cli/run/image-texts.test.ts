import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { a1111Sampler, samplerOfA1111 } from '../../image/a1111-names.ts';
import { FIXTURES } from '../../networks/testing.ts';
import { SETTINGS } from '../../request/settings/index.ts';
import { VALUES } from '../../request/testing.ts';
import { hashNotes, hashWeights, loraHash, modelHash } from './file-hashes.ts';
import { imageTexts, type RunTask } from './run-record.ts';

/** AUTOMATIC1111's own regular expressions, modules/infotext_utils.py: `re_param` and `re_imagesize`. */
const PARAM = /\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/g;

/** Its `parse_generation_parameters`, for the last line. */
function parsed(text: string): Record<string, string> {
  const last = text.trim().split('\n').at(-1) ?? '';
  return Object.fromEntries(
    [...last.matchAll(PARAM)].map(([, key, value]) => [
      key,
      value.startsWith('"') ? JSON.parse(value) : value,
    ]),
  );
}

const task = {
  prompt: 'a red cat',
  negativePrompt: 'grey',
  kind: 'generate',
  method: 'sgool',
  model: 'models/v1-5-pruned.safetensors',
  seed: 2n ** 64n - 1n,
  preset: 'model',
  device: 'cpu',
  precision: 'float32',
  modelHash: '6ce0161689',
  loras: [
    { name: 'style', weight: 0.8, hash: '0123456789ab' },
    { name: 'hands', weight: 1, textEncoderWeight: 0.5, hash: 'ba9876543210' },
    { name: 'named', weight: 1, hash: '111111111111', isInPrompt: true },
  ],
  embeddings: [{ name: 'bad_hands', hash: '222222222222' }],
  parts: { vae: 'vae/better.safetensors', lora: 'style.safetensors:0.8,hands.safetensors' },
  settings: { ...VALUES, saliency: 'grad-cam', lambda: 0.5, eta: 0.5 },
  truncated: false,
  command: 'sgool generate',
  versions: { sgool: '1.2.3', node: '20', platform: 'linux' },
  started: new Date(),
} satisfies RunTask;
const iteration = {
  iteration: 3,
  best: true,
  clip: { A: 20 },
  evaluations: { forward: 1, pullback: 1 },
  seconds: { iteration: 1, total: 2 },
};

describe('the text for other tools', () => {
  it("names method, LoRAs and model, and is read by AUTOMATIC1111's expressions", () => {
    const { parameters = '' } = imageTexts(task, iteration);
    expect(parameters.split('\n').slice(0, 2)).toEqual([
      'a red cat <lora:style:0.8> <lora:hands:0.5:1>',
      'Negative prompt: grey',
    ]);
    expect(parsed(parameters)).toMatchObject({
      Sampler: 'DDIM',
      Seed: '18446744073709551615',
      Model: 'v1-5-pruned',
      'Model hash': '6ce0161689',
      VAE: 'better.safetensors',
      'Eta DDIM': '0.5',
      'SGOOL method': 'sgool',
      'SGOOL iteration': '3',
      'Saliency weight': '0.5',
      'Lora hashes': 'style: 0123456789ab, hands: ba9876543210, named: 111111111111',
      'TI hashes': 'bad_hands: 222222222222',
      Version: 'sgool 1.2.3',
    });
  });

  it('names the generator of a graphics card', () => {
    const text = (rng: 'cpu' | 'cuda') =>
      imageTexts({ ...task, settings: { ...task.settings, rng } }, iteration).parameters;
    expect(parsed(text('cuda') ?? '')).toMatchObject({ RNG: 'GPU' });
    expect(text('cpu')).not.toContain('RNG');
  });

  it('does not depend on time', () => {
    const later = { ...task, started: new Date(0), command: 'other' };
    const slower = { ...iteration, seconds: { iteration: 9, total: 10 } };
    expect(imageTexts(later, slower)).toEqual(imageTexts(task, iteration));
  });

  it('has names of samplers that come back', () => {
    const names = SETTINGS.sampler.options;
    for (const name of names) expect(samplerOfA1111(a1111Sampler(name), names)).toEqual({ sampler: name });
    expect(samplerOfA1111('dpm++ 2m karras', names)).toEqual({ sampler: 'dpm-solver', schedule: 'Karras' });
    expect(samplerOfA1111('Restart', names)).toBeUndefined();
  });
});

describe('hashes of files', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sgool-hashes-'));
  });
  afterAll(() => rm(dir, { recursive: true }));
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

  async function lora(metadata: object): Promise<string> {
    const tensor = { dtype: 'U8', shape: [4], data_offsets: [0, 4] };
    const header = Buffer.from(JSON.stringify({ __metadata__: metadata, tensor }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    await writeFile(join(dir, 'x.safetensors'), Buffer.concat([length, header, Buffer.from('data')]));
    return join(dir, 'x.safetensors');
  }

  it("are the web UI's", async () => {
    const data = sha256(Buffer.from('data'));
    expect(await loraHash(await lora({ note: 'one' }))).toBe(data.slice(0, 12));
    expect(await loraHash(await lora({ note: 'another one' }))).toBe(data.slice(0, 12));
    expect(await loraHash(await lora({ sshs_model_hash: 'f'.repeat(64) }))).toBe('f'.repeat(12));
    await writeFile(join(dir, 'torch.safetensors'), 'data');
    expect(await loraHash(join(dir, 'torch.safetensors'))).toBe(data.slice(0, 12));
    await writeFile(join(dir, 'x.ckpt'), 'data');
    expect(await loraHash(join(dir, 'x.ckpt'))).toBe(data.slice(0, 12));
    expect(await modelHash(join(dir, 'x.ckpt'))).toBe(data.slice(0, 10));
  });

  it('are given to the embeddings that a prompt holds', async () => {
    const path = join(FIXTURES, 'embeddings', 'web.pt');
    const hash = sha256(await readFile(path)).slice(0, 12);
    const choices = [
      { path, name: 'one' },
      { path, name: 'two' },
    ];
    const files = { given: 0, embeddings: choices, texts: ['a cat', 'TWO dogs'] };
    expect(await hashWeights(files, { signal: new AbortController().signal })).toEqual({
      embeddings: [{ name: 'two', hash }],
    });
  });
});

describe('hashes of a record', () => {
  const now = {
    modelHash: '6ce0161689',
    loras: [{ name: 'style', hash: '0123456789ab' }],
    embeddings: [{ name: 'bad_hands', hash: '222222222222' }],
  };

  it('are the same in an equal run, also where they have fewer digits', () => {
    expect(hashNotes(now, now)).toEqual([]);
    expect(hashNotes({}, now)).toEqual([]);
    expect(
      hashNotes({ modelHash: '6CE0161689ff', loras: [{ name: 'Style', hash: '0123456789' }] }, now),
    ).toEqual([]);
  });

  it.each([
    [
      { modelHash: '6ce0161680' },
      'the model is not the one of the record: its hash is 6ce0161689, there 6ce0161680',
    ],
    [
      { modelHash: '7460a6fa' },
      'whether the model is the same is not known: its hash 7460a6fa in the record is of the old kind',
    ],
    [
      { loras: [{ name: 'style', hash: '0123456789ac' }] },
      'the LoRA style is not the one of the record: its hash is 0123456789ab, there 0123456789ac',
    ],
    [{ loras: [{ name: 'x', hash: 'abc' }] }, 'the LoRA x of the record (hash abc) is missing'],
    [
      { embeddings: [{ name: 'bad_hands', hash: '3' }] },
      'the embedding bad_hands is not the one of the record: its hash is 222222222222, there 3',
    ],
  ])('that differ are named: %j', (recorded, note) => {
    expect(hashNotes(recorded, now)).toEqual([note]);
  });
});
