/** 8-bit floats and GGUF against torch and gguf-py: fixtures/make/quantised.py. */
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { required, UserError } from '../../errors.ts';
import { Generator } from '../../random/generator.ts';
import { openSingleFile } from '../open/single-file.ts';
import { bytesAsFile, FORMATS, messageOf } from '../testing.ts';
import { BLOCK_TYPES } from './gguf-blocks.ts';
import { openSafetensors, readTensor } from './safetensors.ts';
import { openTensorFile, readTensorFile } from './tensor-file.ts';
import { float32Of } from './tensor-views.ts';
import { writeSafetensors } from './write-safetensors.ts';

const QUANTISED = new URL('../../../../../fixtures/data/quantised/', import.meta.url).pathname;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-quantised-'));
});
afterAll(() => rm(dir, { recursive: true }));

const wanted = async (name: string) =>
  readTensor(await openSafetensors(`${QUANTISED}expected.safetensors`), name);

describe('8-bit floats', () => {
  it.each(['e4m3', 'e5m2', 'one.weight', 'rows.weight', 'bf16'])(
    '%s has the values of torch',
    async (name) => {
      const { tensors } = await openTensorFile(`${QUANTISED}fp8.safetensors`);
      expect(float32Of(required(tensors.get(name)))).toEqual(await wanted(name));
    },
  );

  it('scales and markers are not weights', async () => {
    const { tensors } = await openTensorFile(`${QUANTISED}fp8.safetensors`);
    expect([...tensors.keys()].sort()).toEqual(['bf16', 'e4m3', 'e5m2', 'one.weight', 'rows.weight']);
    expect(tensors.get('e4m3')).toHaveProperty('byteOffset');
  });

  const numbers = (...shape: number[]) => ({
    dtype: 'U8' as const,
    shape,
    data: new Uint8Array(shape.reduce((a, b) => a * b, 1)),
  });
  it.each([
    ['a.weight.absmax', /quantised by bitsandbytes \(a\.weight\.absmax\)/],
    ['a.SCB', /bitsandbytes/],
    ['a.qweight', /GPTQ or AWQ/],
    ['a.weight._data', /quanto/],
    ['a.wscales', /SVDQuant/],
    ['a.weight_scale_2', /NVFP4/],
  ])('%s is of another program, which is named', async (name, message) => {
    const path = join(dir, 'other.safetensors');
    await writeSafetensors(path, { 'a.weight': numbers(2, 2), [name]: numbers(2) });
    expect(await messageOf(openTensorFile(path))).toMatch(message);
  });

  it('a format that is not known is named', async () => {
    const path = join(dir, 'quant.safetensors');
    const write = (text: string) =>
      writeSafetensors(path, {
        'a.weight': numbers(2, 2),
        'a.comfy_quant': { dtype: 'U8', shape: [text.length], data: Uint8Array.from(Buffer.from(text)) },
      });
    await write('{"format": "nvfp4"}');
    expect(await messageOf(openTensorFile(path))).toMatch(/a\.comfy_quant says the format "nvfp4"/);
    await write('{"format": "float8_e4m3fn"}');
    expect([...(await openTensorFile(path)).tensors.keys()]).toEqual(['a.weight']);
  });
});

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: bigint | number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const text = (value: string) => Buffer.concat([u64(value.length), Buffer.from(value)]);
const tensor = (shape: number[], type: number, offset: number | bigint = 0) =>
  Buffer.concat([text('w'), u32(shape.length), ...shape.map(u64), u32(type), u64(offset)]);
const head = (version: number, tensors: number, keys: number) =>
  Buffer.concat([Buffer.from('GGUF'), u32(version), u64(tensors), u64(keys)]);

/** Every type of the format. */
const TYPES: { type: number; name: string; weights: number; bytes: number }[] = JSON.parse(
  readFileSync(`${QUANTISED}gguf-types.json`, 'utf8'),
);

describe('GGUF', () => {
  it.each([...Object.values(BLOCK_TYPES).map(({ name }) => name), 'F32', 'F16'])(
    '%s has the values of gguf-py, to the bit',
    async (name) => {
      const { tensors } = await openTensorFile(`${QUANTISED}blocks.gguf`);
      const tensor = required(tensors.get(name));
      const isWide = name.endsWith('K') || name === 'IQ4_XS';
      expect(tensor.shape).toEqual(name.startsWith('F') ? [2, 3, 1] : [2, isWide ? 768 : 96]);
      expect(float32Of(tensor)).toEqual(await wanted(name));
    },
  );

  it.each(TYPES)(
    'knows the type $name of the format: it is read or named',
    async ({ type, name, weights, bytes }) => {
      const rows = Buffer.concat([head(3, 1, 0), tensor([weights], type)]);
      const start = Math.ceil(rows.length / 32) * 32;
      const whole = new Uint8Array(start + bytes);
      whole.set(rows);
      const read = readTensorFile(bytesAsFile(whole, 'x.gguf'));
      const block = BLOCK_TYPES[type];
      if (block !== undefined) expect(block).toMatchObject({ name, weights, bytes });
      const isRead = block !== undefined || /^(F|BF|I)\d+$/.test(name);
      if (isRead) {
        expect((await read).tensors.get('w')?.shape).toEqual([weights]);
        // One byte less is not enough: the size of its blocks is known.
        const short = readTensorFile(bytesAsFile(whole.slice(0, -1), 'x.gguf'));
        expect(await messageOf(short)).toMatch(/"w" goes beyond the end/);
      } else expect(await messageOf(read)).toMatch(new RegExp(`"w" has the type ${name}, which is not read`));
    },
  );

  it('keeps texts and numbers of its metadata, and plain floats in the file', async () => {
    const { tensors, metadata } = await openTensorFile(`${QUANTISED}blocks.gguf`);
    expect(metadata).toMatchObject({ 'general.architecture': 'test', 'a.text': 'naïve', format: 'gguf' });
    expect(tensors.get('F16')).toHaveProperty('byteOffset');
  });

  it.each([
    ['1.x', 'ldm-v1.gguf', 'ldm-v1-legacy.ckpt', 'epsilon'],
    ["2.x, with OpenCLIP's names", 'ldm-v2.gguf', 'ldm-v2/model.ckpt', 'v_prediction'],
  ])(
    'a checkpoint of Stable Diffusion %s is opened as one, with the weights of the plain file',
    async (_, from, as, predicts) => {
      const [packed, plain] = [
        await openSingleFile(`${QUANTISED}${from}`),
        await openSingleFile(`${FORMATS}${as}`),
      ];
      expect(packed.schedulerConfig).toEqual(plain.schedulerConfig);
      expect(packed.schedulerConfig.prediction_type).toBe(predicts);
      expect(packed.tokenizers.get('tokenizer')?.config).toEqual(plain.tokenizers.get('tokenizer')?.config);
      for (const name of ['unet', 'vae', 'text_encoder']) {
        const [a, b] = [required(packed.components.get(name)), required(plain.components.get(name))];
        expect(a.config, name).toEqual(b.config);
        expect(a.weights.names().sort()).toEqual(b.weights.names().sort());
        for (const weight of a.weights.names()) {
          const [actual, exact] = [float32Of(a.weights.get(weight)), float32Of(b.weights.get(weight))];
          expect(a.weights.get(weight).shape, weight).toEqual(b.weights.get(weight).shape);
          const size = Math.max(1e-6, ...exact.map(Math.abs));
          expect(
            Math.max(...exact.map((value, i) => Math.abs(value - actual[i]))) / size,
            weight,
          ).toBeLessThan(0.005);
        }
      }
    },
  );

  it('damaged files end in one line or are read', async () => {
    const good = new Uint8Array(await readFile(`${QUANTISED}blocks.gguf`));
    const random = new Generator(5);
    const below = (limit: number) => Math.floor(random.rand([1])[0] * limit);
    const ends = { read: 0, refused: 0 };
    for (let i = 0; i < 1500; i++) {
      const bytes = i % 5 === 0 ? good.slice(0, below(good.length)) : new Uint8Array(good);
      for (let count = 1 + below(3); count > 0 && bytes.length > 0; count--)
        bytes[below(Math.min(bytes.length, 900))] = [0, 0xff, 0x7f, below(256)][below(4)];
      try {
        const { tensors } = await readTensorFile(bytesAsFile(bytes, 'damaged.gguf'));
        for (const tensor of tensors.values()) {
          if ('byteOffset' in tensor)
            expect(tensor.byteOffset + tensor.byteLength).toBeLessThanOrEqual(bytes.length);
        }
        ends.read++;
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        expect(error.message).toMatch(/^damaged\.gguf: [^\n\r]{5,500}$/);
        ends.refused++;
      }
    }
    expect(ends.refused).toBeGreaterThan(300);
  });

  const cases: [string, Buffer, RegExp][] = [
    ['the first version', head(1, 0, 0), /version 1; 2 and 3 are read/],
    ['big-endian', head(0x03000000, 0, 0), /it is not little-endian/],
    [
      '2^62 tensors',
      Buffer.concat([Buffer.from('GGUF'), u32(3), u64(2n ** 62n), u64(0)]),
      /tensors of 46116860/,
    ],
    ['a truncated header', Buffer.concat([head(3, 1, 0), text('w')]), /it ends inside its header/],
    ['data beyond the end', Buffer.concat([head(3, 1, 0), tensor([64], 0)]), /"w" goes beyond the end/],
    ['an offset beyond any file', Buffer.concat([head(3, 1, 0), tensor([1], 0, 2n ** 60n)]), /an offset of/],
    [
      'a type of other quants',
      Buffer.concat([head(3, 1, 0), tensor([256], 16)]),
      /"w" has the type IQ2_XXS, which is not read; F16, Q8_0/,
    ],
    ['a type that does not exist', Buffer.concat([head(3, 1, 0), tensor([256], 99)]), /has the type 99/],
    [
      'rows that blocks cannot hold',
      Buffer.concat([head(3, 1, 0), tensor([33], 8)]),
      /rows of 33, which Q8_0 cannot/,
    ],
    [
      'nested lists without end',
      Buffer.concat([
        head(3, 0, 1),
        text('k'),
        u32(9),
        ...Array.from({ length: 20 }, () => [u32(9), u64(1)]).flat(),
      ]),
      /a list of 1 items/,
    ],
    [
      'an alignment of 0',
      Buffer.concat([head(3, 0, 1), text('general.alignment'), u32(4), u32(0)]),
      /an alignment of 0/,
    ],
    ['no tensors', head(3, 0, 0), /it holds no tensors/],
  ];
  it.each(cases)('%s is refused', async (_, bytes, message) => {
    expect(await messageOf(readTensorFile(bytesAsFile(new Uint8Array(bytes), 'x.gguf')))).toMatch(message);
  });

  it('is named where only safetensors are read', async () => {
    await writeFile(join(dir, 'x.safetensors'), head(3, 0, 0));
    expect(await messageOf(openSafetensors(join(dir, 'x.safetensors')))).toMatch(/a GGUF file/);
  });
});
