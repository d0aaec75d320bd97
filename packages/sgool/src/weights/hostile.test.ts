/**
 * Files that mean harm, and files that are merely damaged: thousands of them, each of which must end in one clear line, or
 * be read as what it says, without more memory than it has bytes.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mutator } from '../../test/fuzz/mutator.ts';
import { UserError } from '../errors.ts';
import type { FileBytes } from '../platform/platform.ts';
import { openSafetensors } from './formats/safetensors.ts';
import { readTensorFile } from './formats/tensor-file.ts';
import { valuesOf } from './formats/tensor-views.ts';
import { openSingleFile } from './open/single-file.ts';
import { bytesAsFile, FORMATS, messageOf, tensorPickle, torchArchive, zipOf } from './testing.ts';

const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

function safetensors(header: unknown, dataBytes = 0): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return new Uint8Array(Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
}

const f32 = (shape: unknown, offsets: unknown) => ({ dtype: 'F32', shape, data_offsets: offsets });

describe('files that mean harm', () => {
  const system = '\x80\x02cos\nsystem\nX\x06\x00\x00\x00rm -rf\x85R.';
  const nested = (open: string, close: string) =>
    `\x80\x02${open.repeat(100_000)}K\x01${close.repeat(100_000)}.`;
  const doubled = `\x80\x02](${'K\x01'.repeat(10)}e${'q\x00](h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00e'.repeat(100)}.`;
  const legacy = (pickle: string) =>
    `\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.${pickle}`;
  const cases: [string, Uint8Array, RegExp][] = [
    ['a call of os.system', torchArchive(system), /"os\.system", which is refused/],
    ['the same in a legacy file', latin1(legacy(system)), /"os\.system", which is refused/],
    ['the same as a bare pickle', latin1(system), /"os\.system", which is refused/],
    ['eval', torchArchive('\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.'), /"__builtin__\.eval"/],
    ['posix.system', torchArchive('\x80\x04\x8c\x05posix\x8c\x06system\x93.'), /"posix\.system"/],
    ['runpy', torchArchive('\x80\x02crunpy\n_run_code\n.'), /"runpy\._run_code"/],
    ['a name over lines', torchArchive('\x80\x04\x8c\x04a\nb\r\x8c\x01c\x93.'), /"a\\nb\\r\.c"/],
    ['deeply nested lists', torchArchive(nested(']', 'a')), /holds no tensors by name/],
    ['deeply nested tuples', torchArchive(nested('(', 't')), /holds no tensors by name/],
    ['deeply nested dictionaries', torchArchive(nested('}K\x01', 's')), /holds no tensors by name/],
    ['a million dictionaries', torchArchive('}'.repeat(1_000_000)), /more than 2000000 operations/],
    ['ten to the power of a hundred items', torchArchive(doubled), /holds no tensors by name/],
    ['a text of 4 GB', torchArchive('\x80\x02X\xff\xff\xff\xff.'), /4294967295 bytes are needed/],
    [
      'bytes of 2^62',
      torchArchive('\x80\x04\x8e\x00\x00\x00\x00\x00\x00\x00\x40.'),
      /a length of 4611686018427387904/,
    ],
    [
      'a tensor of 2^60 elements',
      torchArchive(tensorPickle({ shape: '\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x10K\x01\x86' }), {
        0: Buffer.alloc(24),
      }),
      /sizes are whole numbers|elements/,
    ],
    [
      'a storage of 2^40 elements',
      torchArchive(tensorPickle({ length: '\x8a\x06\x00\x00\x00\x00\x00\x01' }), { 0: Buffer.alloc(24) }),
      /has 24 bytes, 4398046511104 are needed/,
    ],
    [
      'a storage outside of the archive',
      torchArchive(tensorPickle().replace('X\x01\x00\x00\x000', 'X\x09\x00\x00\x00../../etc')),
      /"archive\/data\/\.\.\/\.\.\/etc" is missing/,
    ],
    [
      'a name that leads out',
      zipOf([{ name: '../../.bashrc', data: latin1(system) }]),
      /leads out of the archive/,
    ],
    [
      'a zip bomb',
      zipOf([{ name: 'archive/data.pkl', data: new Uint8Array(100), method: 8, size: 2 ** 32 - 2 }]),
      /its entries are compressed/,
    ],
    [
      'entries that share their bytes',
      zipOf([
        { name: 'archive/data.pkl', data: latin1('\x80\x02}.'), packed: 60, size: 60 },
        { name: 'archive/data/0', data: new Uint8Array(64) },
      ]),
      /overlap/,
    ],
    [
      'zip64 sizes beyond the file',
      zipOf([{ name: 'archive/data.pkl', data: latin1('\x80\x02}.'), size: 2 ** 50, packed: 2 ** 50 }], {
        zip64: true,
      }),
      /is beyond the file/,
    ],
    [
      'a header of 2^63 bytes',
      new Uint8Array([0, 0, 0, 0, 0, 0, 0, 128, 123, 125]),
      /header of 9223372036854775808/,
    ],
    [
      'tensors that overlap',
      safetensors({ a: f32([2], [0, 8]), b: f32([2], [4, 12]) }, 12),
      /"a" and "b" overlap/,
    ],
    [
      'offsets beyond the file',
      safetensors({ a: f32([2 ** 40], [0, 2 ** 42]) }, 8),
      /is the file truncated\?/,
    ],
    ['offsets backwards', safetensors({ a: f32([2], [8, 0]) }, 8), /data_offsets/],
    [
      'a product that wraps round',
      safetensors({ a: f32([2 ** 32, 2 ** 32], [0, 0]) }),
      /needs 73786976294838206464 bytes/,
    ],
    ['negative sizes', safetensors({ a: f32([-2, -1], [0, 8]) }, 8), /has shape \[-2,-1\]/],
    ['deeply nested JSON', safetensors('['.repeat(100_000)), /the header is not JSON/],
    [
      'a name from JavaScript',
      safetensors('{"__proto__":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}', 4),
      /needs 36 bytes/,
    ],
  ];

  it.each(cases)('%s', async (_, bytes, message) => {
    const said = await messageOf(readTensorFile(bytesAsFile(bytes, 'hostile.bin')));
    expect(said).toContain('hostile.bin');
    expect(said).toMatch(message);
  });
});

/** Reads a file to the end; says how it ended. Anything but a valid reading or a UserError of one line is thrown. */
async function outcome(bytes: Uint8Array): Promise<'read' | 'refused'> {
  let largest = 0;
  const inner = bytesAsFile(bytes, 'damaged.bin');
  const file: FileBytes = {
    ...inner,
    read(offset, length) {
      largest = Math.max(largest, length);
      return inner.read(offset, length);
    },
  };
  try {
    const { tensors } = await readTensorFile(file);
    for (const [name, tensor] of tensors) {
      if ('byteOffset' in tensor && tensor.byteOffset + tensor.byteLength > bytes.length) {
        throw new Error(`${name} lies beyond the file: ${JSON.stringify(tensor)}`);
      }
    }
    return 'read';
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.message).toMatch(/^damaged\.bin: [^\n\r]{5,500}$/);
    return 'refused';
  } finally {
    expect(largest).toBeLessThanOrEqual(Math.max(bytes.length, 9));
  }
}

describe('damaged files', () => {
  let seeds: Record<string, Uint8Array[]>;
  beforeAll(async () => {
    const read = async (name: string) => new Uint8Array(await readFile(`${FORMATS}${name}`));
    const archive = await read('values-zip.pt');
    const start = Buffer.from(archive).indexOf('\x80\x02}', 0, 'latin1');
    const end = Buffer.from(archive).indexOf('PK\x03\x04', start, 'latin1');
    const pickle = archive.slice(start, end);
    seeds = {
      archives: [archive, zipOf([{ name: 'a/data.pkl', data: pickle }], { zip64: true })],
      legacy: [await read('values-legacy.pt')],
      safetensors: [(await read('values.safetensors')).slice(0, 1400), await read('lora-kohya.safetensors')],
      pickles: [pickle, latin1(tensorPickle()), latin1('\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.')],
    };
  });

  it.each([
    ['pickles', 5000],
    ['archives', 2000],
    ['legacy', 2000],
    ['safetensors', 3000],
  ])('%s (%i)', async (kind, count) => {
    const mutator = new Mutator(count);
    const numbers = new Uint8Array(64);
    const ends = { read: 0, refused: 0 };
    const begin = performance.now();
    for (let i = 0; i < count; i++) {
      const damaged = mutator.damage(seeds[kind][i % seeds[kind].length]);
      const file = kind === 'pickles' ? torchArchive(damaged, { 0: numbers }) : damaged;
      ends[await outcome(file)]++;
    }
    expect(ends.refused).toBeGreaterThan(count / 4);
    expect(ends.read + ends.refused).toBe(count);
    // Far below on a free machine: what counts is that nothing hangs.
    expect(performance.now() - begin).toBeLessThan(30_000);
  });

  it('views of any strides stay within their storage and its size', async () => {
    const mutator = new Mutator(7);
    let made = 0;
    for (let i = 0; i < 500; i++) {
      const number = () => `K${String.fromCharCode(mutator.below(7))}`;
      const pickle = tensorPickle({
        shape: `${number()}${number()}\x86`,
        strides: `${number()}${number()}\x86`,
        offset: number(),
        length: 'K\x10',
      });
      const path = join(dir, 'strides.pt');
      const bytes = torchArchive(pickle, { 0: new Uint8Array(new Float32Array(16).fill(3).buffer) });
      await writeFile(path, bytes);
      try {
        const { tensors } = await readTensorFile({ ...bytesAsFile(bytes, path), realPath: path });
        for (const tensor of tensors.values()) {
          const values = valuesOf(tensor);
          expect(values.length).toBeLessThanOrEqual(16);
          expect(values.every((value) => value === 3)).toBe(true);
          made++;
        }
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
      }
    }
    expect(made).toBeGreaterThan(50);
  });

  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sgool-hostile-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  it('checkpoints with other names and shapes end in one line too', async () => {
    // Headers as of a checkpoint, all shapes with a 0 so that there is no data.
    const { tensors } = await readTensorFile(
      bytesAsFile(new Uint8Array(await readFile(`${FORMATS}ldm-v2/model.ckpt`))),
    );
    const all = [...tensors].map(([name, { shape }]) => [name, shape] as const);
    const mutator = new Mutator(3);
    const path = join(dir, 'model.safetensors');
    const said = new Set<string>();
    for (let i = 0; i < 60; i++) {
      const header: Record<string, unknown> = {};
      for (const [name, shape] of all) {
        if (mutator.below(200) === 0) continue;
        const odd = mutator.below(100) === 0;
        const renamed = mutator.below(300) === 0 ? name.replace(/\d+/, String(mutator.below(1000))) : name;
        header[renamed] = f32(odd ? [mutator.below(5)].concat([0]) : [...shape, 0], [0, 0]);
      }
      await writeFile(path, safetensors(header));
      await openSafetensors(path);
      await openSingleFile(path).catch((error: Error) => {
        if (!(error instanceof UserError)) throw error;
        expect(error.message).not.toMatch(/[\n\r]/);
        said.add(error.message);
      });
    }
    expect(said.size).toBeGreaterThan(2);
  });
});
