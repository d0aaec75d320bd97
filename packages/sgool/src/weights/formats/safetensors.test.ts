import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { openSafetensors, readAll, readTensor, readTypedTensor } from './safetensors.ts';
import { writeSafetensors } from './write-safetensors.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-safetensors-'));
});
afterAll(() => rm(dir, { recursive: true }));

/** A file with the given header (text or object) and data. */
async function fileWith(header: unknown, dataBytes = 0, length?: bigint): Promise<string> {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(length ?? BigInt(json.length));
  const path = join(dir, 'hostile.safetensors');
  await writeFile(path, Buffer.concat([start, json, Buffer.alloc(dataBytes)]));
  return path;
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof UserError)) expect.fail(`expected a UserError, got ${error}`);
  expect(error.message).not.toContain('\n');
  return error.message;
}

const f32 = (shape: unknown, offsets: unknown) => ({ dtype: 'F32', shape, data_offsets: offsets });

describe('writing and reading', () => {
  it('brings every type back', async () => {
    const path = join(dir, 'all.safetensors');
    await writeSafetensors(
      path,
      {
        f32: { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, -2.5, 3e-40, Infinity) },
        f64: { dtype: 'F64', shape: [1], data: Float64Array.of(Math.PI) },
        f16: { dtype: 'F16', shape: [3], data: Float32Array.of(1, 2049, 1e-7) },
        bf16: { dtype: 'BF16', shape: [1], data: Float32Array.of(3.140625) },
        i64: { dtype: 'I64', shape: [], data: BigInt64Array.of(-5n) },
        i32: { dtype: 'I32', shape: [1], data: Int32Array.of(-7) },
        u8: { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 255) },
        empty: { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) },
      },
      { format: 'pt', note: 'é' },
    );
    const file = await openSafetensors(path);
    expect(file.metadata).toEqual({ format: 'pt', note: 'é' });
    expect(file.tensors.get('f32')).toMatchObject({ dtype: 'F32', shape: [2, 2], byteLength: 16 });
    for (const { byteOffset, byteLength, shape } of file.tensors.values()) {
      const elements = shape.reduce((product, size) => product * size, 1);
      expect(byteOffset % (elements === 0 ? 1 : byteLength / elements)).toBe(0);
    }
    expect([...(await readTensor(file, 'f32'))]).toEqual([1, -2.5, Math.fround(3e-40), Infinity]);
    expect([...(await readTensor(file, 'f16'))]).toEqual([1, 2048, 2 * 2 ** -24]);
    expect(await readTensor(file, 'f64')).toEqual(Float32Array.of(Math.PI));
    expect((await readTypedTensor(file, 'i64')).data).toEqual(BigInt64Array.of(-5n));
    const all = await readAll(file);
    expect(all.size).toBe(8);
    expect(all.get('f64')?.data).toEqual(Float64Array.of(Math.PI));
    expect(all.get('bf16')?.data).toEqual(Float32Array.of(3.140625));
    expect(all.get('i32')?.data).toEqual(Int32Array.of(-7));
    expect(all.get('u8')?.data).toEqual(Uint8Array.of(1, 2, 255));
    expect(await messageOf(readTensor(file, 'i32'))).toMatch(
      /all\.safetensors: tensor i32 must be F32.*got I32/,
    );
    expect(await messageOf(readTensor(file, 'f3'))).toMatch(/no tensor f3; it holds 8 tensors/);
  });

  it('writes the bytes that the reference implementation writes', async () => {
    // safetensors.torch.save({'b': ones(2, float16), 'a': zeros(3), 'c': ones(1, float16), 'd': tensor(3)},
    //                        {'z': '1', 'a': '2'}), safetensors 0.8.0
    const header =
      '{"__metadata__":{"a":"2","z":"1"},"d":{"dtype":"I64","shape":[],"data_offsets":[0,8]},' +
      '"a":{"dtype":"F32","shape":[3],"data_offsets":[8,20]},"b":{"dtype":"F16","shape":[2],"data_offsets":[20,24]},' +
      '"c":{"dtype":"F16","shape":[1],"data_offsets":[24,26]}}      ';
    const data = `0300000000000000${'00'.repeat(12)}${'003c'.repeat(3)}`;
    const path = join(dir, 'same.safetensors');
    await writeSafetensors(
      path,
      {
        b: { dtype: 'F16', shape: [2], data: Float32Array.of(1, 1) },
        a: { dtype: 'F32', shape: [3], data: new Float32Array(3) },
        c: { dtype: 'F16', shape: [1], data: Float32Array.of(1) },
        d: { dtype: 'I64', shape: [], data: BigInt64Array.of(3n) },
      },
      { z: '1', a: '2' },
    );
    const bytes = await readFile(path);
    expect(bytes.readBigUInt64LE()).toBe(256n);
    expect(bytes.subarray(8, 264).toString()).toBe(header);
    expect(bytes.subarray(264).toString('hex')).toBe(data);
  });

  it('refuses values that do not fill the shape or have the wrong type', async () => {
    const path = join(dir, 'never.safetensors');
    const write = (data: Float32Array, dtype: 'F32' | 'I64') =>
      writeSafetensors(path, { t: { dtype, shape: [2], data } });
    await expect(write(new Float32Array(3), 'F32')).rejects.toThrow('t [2] needs 2 values, got 3');
    await expect(write(new Float32Array(2), 'I64')).rejects.toThrow('I64 needs a BigInt64Array');
    expect((await readdir(dir)).filter((name) => name.includes('never'))).toEqual([]);
  });

  it('gives the real path of a linked file', async () => {
    const path = join(dir, 'real.safetensors');
    await writeSafetensors(path, { t: { dtype: 'F32', shape: [1], data: Float32Array.of(1) } });
    await symlink(path, join(dir, 'link.safetensors'));
    expect((await openSafetensors(join(dir, 'link.safetensors'))).path).toMatch(/real\.safetensors$/);
  });
});

describe('broken and hostile files', () => {
  const cases: [string, unknown, number, RegExp][] = [
    ['JSON that is none', '{"a":', 0, /the header is not JSON/],
    ['a list', '[1,2]', 0, /the header is not an object/],
    ['a tensor that is no object', { a: 3 }, 0, /tensor "a" has no description/],
    [
      'an unknown dtype',
      { a: { dtype: 'F12', shape: [1], data_offsets: [0, 4] } },
      4,
      /tensor "a" has dtype "F12"; known/,
    ],
    [
      'a dtype named like a method',
      { a: { dtype: 'toString', shape: [1], data_offsets: [0, 4] } },
      4,
      /dtype "toString"/,
    ],
    ['a negative dimension', { a: f32([-1], [0, 4]) }, 4, /tensor "a" has shape \[-1\]/],
    ['a fractional dimension', { a: f32([0.5, 2], [0, 4]) }, 4, /has shape/],
    ['a shape that is no list', { a: f32('4', [0, 4]) }, 4, /has shape "4"/],
    ['too many dimensions', { a: f32(Array(17).fill(1), [0, 4]) }, 4, /has shape/],
    [
      'a product that overflows',
      { a: f32([2 ** 32, 2 ** 32, 2 ** 32], [0, 4]) },
      4,
      /needs 316912650057057350374175801344 bytes/,
    ],
    ['offsets beyond the end', { a: f32([4], [0, 16]) }, 12, /ends at byte 16 of 12 .*truncated/],
    ['offsets the wrong way round', { a: f32([1], [4, 0]) }, 4, /data_offsets \[4,0\]/],
    ['negative offsets', { a: f32([1], [-4, 0]) }, 4, /data_offsets/],
    ['a size that does not match', { a: f32([2], [0, 4]) }, 4, /needs 8 bytes, its data_offsets give 4/],
    ['tensors that overlap', { a: f32([2], [0, 8]), b: f32([2], [4, 12]) }, 12, /"a" and "b" overlap/],
    ['a hole', { a: f32([1], [0, 4]), b: f32([1], [8, 12]) }, 12, /4 unused bytes before tensor "b"/],
    ['bytes left over', { a: f32([1], [0, 4]) }, 12, /8 unused bytes after the last tensor/],
    ['metadata that is no text', { __metadata__: { x: 1 } }, 0, /__metadata__ "x" is not a string/],
  ];
  it.each(cases)('refuses %s', async (_, header, dataBytes, message) => {
    const text = await messageOf(openSafetensors(await fileWith(header, dataBytes)));
    expect(text).toMatch(message);
    expect(text).toContain('hostile.safetensors');
  });

  const headers = JSON.parse(
    readFileSync(
      new URL('../../../../../fixtures/data/formats/safetensors-headers.json', import.meta.url),
      'utf8',
    ),
  ) as { case: string; header: string; data: number; names: string[] | null }[];
  it.each(headers.map((row) => [row.case, row] as const))(
    'does as the reference does with %s',
    async (_, { header, data, names }) => {
      const path = join(dir, 'header.safetensors');
      const json = Buffer.from(header, 'latin1');
      const start = Buffer.alloc(8);
      start.writeBigUInt64LE(BigInt(json.length));
      await writeFile(path, Buffer.concat([start, json, Buffer.alloc(data)]));
      const read = openSafetensors(path).then(({ tensors }) => [...tensors.keys()].sort());
      if (names === null)
        await expect(read).rejects.toThrow(/header\.safetensors: not a valid safetensors file/);
      else await expect(read).resolves.toEqual(names);
    },
  );

  it('refuses impossible header lengths before it allocates', async () => {
    expect(await messageOf(openSafetensors(await fileWith('{}', 0, 2n ** 63n)))).toMatch(/limit is 25000000/);
    expect(await messageOf(openSafetensors(await fileWith('{}', 0, 20_000_000n)))).toMatch(/beyond the end/);
    expect(await messageOf(openSafetensors(await fileWith('', 0, 0n)))).toMatch(/header of 0 bytes/);
    const short = join(dir, 'short');
    await writeFile(short, Buffer.of(0xff, 1, 2));
    expect(await messageOf(openSafetensors(short))).toMatch(/3 bytes are too few/);
  });

  it('refuses what is no file', async () => {
    expect(await messageOf(openSafetensors(dir))).toMatch(/it is not a file|a folder/);
    expect(await messageOf(openSafetensors(join(dir, 'absent')))).toMatch(/absent: the file does not exist/);
  });

  it('notices a file that shrank after it was opened', async () => {
    const path = join(dir, 'shrinks.safetensors');
    await writeSafetensors(path, { t: { dtype: 'F32', shape: [100], data: new Float32Array(100) } });
    const file = await openSafetensors(path);
    await truncate(path, 200);
    expect(await messageOf(readTensor(file, 't'))).toMatch(/it is truncated/);
  });

  it('ends every damaged header in a one-line UserError or a valid reading', async () => {
    const path = join(dir, 'fuzz.safetensors');
    await writeSafetensors(path, {
      a: { dtype: 'F32', shape: [2, 3], data: new Float32Array(6) },
      b: { dtype: 'U8', shape: [5], data: new Uint8Array(5) },
    });
    const good = await readFile(path);
    const flip = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(
        fc.array(flip, { minLength: 1, maxLength: 4 }),
        fc.nat(good.length),
        async (flips, cut) => {
          const bytes = Buffer.from(good);
          for (const [at, value] of flips) bytes[at] = value;
          await writeFile(path, bytes.subarray(0, flips.length % 2 === 0 ? cut : good.length));
          const error = await openSafetensors(path).catch((reason: unknown) => reason);
          if (error instanceof Error) expect(error).toBeInstanceOf(UserError);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('what is written and said', () => {
  const one = { dtype: 'U8', shape: [1], data: Uint8Array.of(1) } as const;

  it('tensors of a type come by their names, metadata too', async () => {
    const path = join(dir, 'order.safetensors');
    const names = ['b', 'd', 'a', 'c', 'e'];
    const wide = { dtype: 'I64', shape: [1], data: BigInt64Array.of(1n) } as const;
    await writeSafetensors(
      path,
      { ...Object.fromEntries(names.map((name) => [name, one])), z: wide },
      Object.fromEntries(names.map((name) => [name, ''])),
    );
    const file = await openSafetensors(path);
    expect([...file.tensors.keys()]).toEqual(['z', 'a', 'b', 'c', 'd', 'e']);
    expect(Object.keys(file.metadata)).toEqual(['a', 'b', 'c', 'd', 'e']);
    await expect(writeSafetensors(path, { __metadata__: one })).rejects.toThrow(
      'must not be called __metadata__',
    );
  });

  it('a tensor that is missing has up to three others of its ending', async () => {
    const path = join(dir, 'similar.safetensors');
    const names = ['a.bias', 'a.weight', 'b.weight', 'c.weight', 'd.weight'];
    await writeSafetensors(path, Object.fromEntries(names.map((name) => [name, one])));
    const said = async (name: string) => messageOf(readTypedTensor(await openSafetensors(path), name));
    expect(await said('x.weight')).toMatch(
      /no tensor x\.weight; .*, such as a\.weight, b\.weight, c\.weight$/,
    );
    expect(await said('x.bias')).toMatch(/, such as a\.bias$/);
    expect(await said('x.scale')).toMatch(/it holds 5 tensors$/);
  });

  it('float32 is given as it is read', async () => {
    const path = join(dir, 'plain.safetensors');
    await writeSafetensors(path, { t: { dtype: 'F32', shape: [1], data: Float32Array.of(2) } });
    expect(await readTensor(await openSafetensors(path), 't')).toEqual(Float32Array.of(2));
  });
});
