import { expect, it } from 'vitest';
import { bytesAsFile, messageOf } from '../testing.ts';
import { looksLikeGguf, readGguf } from './gguf.ts';

const u32 = (value: number) => {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
};
const u64 = (value: number) => Buffer.concat([u32(value % 2 ** 32), u32(Math.floor(value / 2 ** 32))]);
const text = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const file = (entries: readonly (readonly [string, number, Buffer])[], count = entries.length) =>
  new Uint8Array(
    Buffer.concat([
      Buffer.from('GGUF'),
      u32(3),
      u64(0),
      u64(count),
      ...entries.flatMap(([key, type, value]) => [text(key), u32(type), value]),
    ]),
  );
const read = (...entries: (readonly [string, number, Buffer])[]) =>
  readGguf(bytesAsFile(file(entries), 'x.gguf'));

const number = (size: number, write: (buffer: Buffer) => void) => {
  const out = Buffer.alloc(size);
  write(out);
  return out;
};

it('metadata of every type is read to its end, so that what follows is read too', async () => {
  const after = ['after', 8, text('it')] as const;
  const values: [type: number, stored: Buffer, shown?: string][] = [
    [0, Buffer.of(200), '200'],
    [1, Buffer.of(200), '-56'],
    [2, number(2, (b) => b.writeUInt16LE(40000)), '40000'],
    [3, number(2, (b) => b.writeInt16LE(-3)), '-3'],
    [4, u32(7), '7'],
    [5, number(4, (b) => b.writeInt32LE(-7)), '-7'],
    [6, number(4, (b) => b.writeFloatLE(0.5)), '0.5'],
    [7, Buffer.of(1)],
    [8, text('naïve'), 'naïve'],
    [8, text('n'.repeat(300)), 'n'.repeat(200)],
    [9, Buffer.concat([u32(2), u64(2), Buffer.of(1, 0, 2, 0)])],
    [10, u64(2 ** 40), '1099511627776'],
    [11, number(8, (b) => b.writeBigInt64LE(-5n)), '-5'],
    [12, number(8, (b) => b.writeDoubleLE(0.25)), '0.25'],
  ];
  for (const [type, value, shown] of values) {
    const { metadata } = await read(['key', type, value], after);
    expect(metadata, `type ${type}`).toEqual({
      ...(shown === undefined ? {} : { key: shown }),
      after: 'it',
      format: 'gguf',
    });
  }
  expect(await messageOf(read(['key', 13, Buffer.of(0)]))).toMatch(/metadata of the unknown type 13/);
});

it('is recognised by all four letters', () => {
  expect(looksLikeGguf(Buffer.from('GGUF'))).toBe(true);
  for (const other of ['XGUF', 'GXUF', 'GGXF', 'GGUX'])
    expect(looksLikeGguf(Buffer.from(other)), other).toBe(false);
});

const head = (tensors: number, keys: number) =>
  Buffer.concat([Buffer.from('GGUF'), u32(3), u64(tensors), u64(keys)]);
const tensor = (name: string, shape: readonly number[], type: number, offset = 0) =>
  Buffer.concat([text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset)]);
const open = (...parts: Uint8Array[]) =>
  readGguf(bytesAsFile(new Uint8Array(Buffer.concat(parts)), 'x.gguf'));
const zeros = (bytes: number) => Buffer.alloc(bytes);

it.each<[string, Uint8Array[], RegExp]>([
  ['more keys than any model has', [head(0, 100_001)], /100001 keys, the limit is 100000/],
  ['a number of keys within the limit', [head(0, 100_000)], /it ends inside its header/],
  ['more tensors than any model has', [head(100_001, 0)], /100001 tensors, the limit is 100000/],
  ['a number of tensors within the limit', [head(100_000, 0)], /it ends inside its header/],
  ['a text longer than any header', [head(0, 1), u64(64e6 + 1)], /a text of 64000001 bytes/],
  ['a text as long as a header', [head(0, 1), u64(64e6)], /it ends inside its header/],
  [
    'a list longer than any header',
    [head(0, 1), text('k'), u32(9), u32(0), u64(64e6 + 1)],
    /a list of 64000001 items/,
  ],
  [
    'a list as long as a header',
    [head(0, 1), text('k'), u32(9), u32(0), u64(64e6)],
    /it ends inside its header/,
  ],
  [
    'nine dimensions',
    [head(1, 0), tensor('w', Array(9).fill(1), 0), zeros(200)],
    /tensor "w" has 9 dimensions/,
  ],
  [
    'one name twice',
    [head(2, 0), tensor('w', [1], 0), tensor('w', [1], 0), zeros(200)],
    /two tensors are called "w"/,
  ],
  [
    'a block without its row',
    [head(1, 0), tensor('w', [], 8), zeros(200)],
    /has rows of undefined, which Q8_0/,
  ],
  [
    'a long name',
    [head(1, 0), tensor('n'.repeat(79), [1], 99), zeros(200)],
    /tensor "n{76}\.\.\. has the type 99/,
  ],
  [
    'a name of 80 characters with its quotes',
    [head(1, 0), tensor('n'.repeat(78), [1], 99), zeros(200)],
    /tensor "n{78}" has the type 99/,
  ],
  ['version 0x10000', [Buffer.from('GGUF'), u32(0x10000)], /it is not little-endian/],
  ['version 0xffff', [Buffer.from('GGUF'), u32(0xffff)], /version 65535; 2 and 3 are read/],
])('%s', async (_, parts, message) => {
  expect(await messageOf(open(...parts))).toMatch(message);
});

it('lists in lists are read to the fourth level', async () => {
  const nested = (levels: number) => [
    ...Array.from({ length: levels - 1 }, () => [u32(9), u64(1)]).flat(),
    u32(0),
    u64(1),
    Buffer.of(7),
  ];
  const bytes = (levels: number) => [head(0, 1), text('k'), u32(9), ...nested(levels)];
  expect((await open(...bytes(4))).metadata).toEqual({ format: 'gguf' });
  expect(await messageOf(open(...bytes(5)))).toMatch(/a list of 1 items/);
});

it('version 2 is read, and eight dimensions are', async () => {
  const two = Buffer.concat([head(1, 0), tensor('w', [1, 1, 1, 1, 1, 1, 3, 1], 0), zeros(200)]);
  two.writeUInt32LE(2, 4);
  expect((await open(two)).tensors.get('w')?.shape).toEqual([1, 3, 1, 1, 1, 1, 1, 1]);
});

it('a number beyond those of JavaScript is refused, and the largest of them is not', async () => {
  const count = (value: bigint) => {
    const bytes = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(0), u64(0)]);
    bytes.writeBigUInt64LE(value, 8);
    return messageOf(open(bytes));
  };
  expect(await count(2n ** 53n)).toMatch(/tensors of 9007199254740992/);
  expect(await count(2n ** 53n - 1n)).toMatch(/9007199254740991 tensors, the limit is/);
});

it('headers longer than the first read are read on, to a limit', async () => {
  const long = [head(1, 1), text('k'), u32(8), text('v'.repeat(4_100_000)), tensor('w', [2], 0), zeros(64)];
  const { tensors } = await open(...long);
  const start = Math.ceil((Buffer.concat(long).length - 64) / 32) * 32;
  expect(tensors.get('w')).toMatchObject({ shape: [2], byteOffset: start, byteLength: 8 });
  // Whole megabytes of names that never end: the limit is met before the end of the file.
  const size = 300_000_000;
  const start0 = new Uint8Array(Buffer.concat([head(0, 90_000), text('k'), u32(8), u64(60_000_000)]));
  const asked: number[] = [];
  const endless = readGguf({
    path: 'x.gguf',
    realPath: 'x.gguf',
    size,
    async read(offset, length) {
      asked.push(length);
      const bytes = new Uint8Array(length);
      bytes.set(start0);
      // Each further text is longer than what is left.
      if (length > 60_000_100)
        new DataView(bytes.buffer).setUint32(start0.length + 60_000_000, 60_000_000, true);
      return offset === 0 ? bytes : new Uint8Array(length);
    },
  });
  expect(await messageOf(endless)).toMatch(/a header of more than 64000000 bytes/);
  expect(asked).toEqual([1e6, 4e6, 16e6, 64e6]);
});

it('the shape that ComfyUI states is taken where it has as many elements', async () => {
  const shapes: [stated: number[], shape: number[]][] = [
    [
      [2, 3],
      [2, 3],
    ],
    [
      [1, 6],
      [1, 6],
    ],
    [
      [6, 1, 1],
      [6, 1, 1],
    ],
    [[2, 2], [6]],
    [[-2, -3], [6]],
    [[-6, -1], [6]],
  ];
  for (const [stated, shape] of shapes) {
    const list = Buffer.concat([
      u32(5),
      u64(stated.length),
      ...stated.map((value) => number(4, (b) => b.writeInt32LE(value))),
    ]);
    const key = [text('comfy.gguf.orig_shape.w'), u32(9), list];
    const { tensors } = await open(head(1, 1), ...key, tensor('w', [6], 0), zeros(200));
    expect(tensors.get('w')?.shape, String(stated)).toEqual(shape);
  }
  const empty = [
    text('comfy.gguf.orig_shape.w'),
    u32(9),
    u32(5),
    u64(2),
    zeros(4),
    number(4, (b) => b.writeInt32LE(5)),
  ];
  const { tensors } = await open(head(1, 1), ...empty, tensor('w', [0], 0), zeros(200));
  expect(tensors.get('w')?.shape).toEqual([0, 5]);
});

it('data begins at the alignment that the file states', async () => {
  const at = async (alignment: number) => {
    const bytes = [head(1, 1), text('general.alignment'), u32(4), u32(alignment), tensor('w', [1], 0)];
    const { length } = Buffer.concat(bytes);
    const { tensors } = await open(...bytes, zeros(70_000));
    return [length, tensors.get('w')].map((one) =>
      typeof one === 'object' && 'byteOffset' in one ? one.byteOffset : one,
    );
  };
  for (const alignment of [1, 2, 64, 65_536]) {
    const [length, offset] = await at(alignment);
    expect(offset).toBe(Math.ceil(Number(length) / alignment) * alignment);
  }
  expect(await messageOf(at(65_537))).toMatch(/an alignment of 65537/);
  expect(await messageOf(open(head(0, 1), text('general.alignment'), u32(8), text('8')))).toMatch(
    /an alignment of 8/,
  );
});

it('a quantised tensor has the size in memory that its shape says', async () => {
  const { tensors } = await open(head(1, 0), tensor('w', [64, 3], 8), zeros(400));
  expect(tensors.get('w')).toMatchObject({ dtype: 'F32', shape: [3, 64], byteLength: 3 * 64 * 4 });
});
