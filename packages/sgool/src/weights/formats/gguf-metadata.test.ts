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
  const values: [number, Buffer][] = [
    [0, Buffer.of(200)],
    [1, Buffer.of(200)],
    [2, number(2, (b) => b.writeUInt16LE(40000))],
    [3, number(2, (b) => b.writeInt16LE(-3))],
    [4, u32(7)],
    [5, number(4, (b) => b.writeInt32LE(-7))],
    [6, number(4, (b) => b.writeFloatLE(0.5))],
    [7, Buffer.of(1)],
    [8, text('naïve')],
    [9, Buffer.concat([u32(2), u64(2), Buffer.of(1, 0, 2, 0)])],
    [10, u64(2 ** 40)],
    [11, number(8, (b) => b.writeBigInt64LE(-5n))],
    [12, number(8, (b) => b.writeDoubleLE(0.25))],
  ];
  for (const [type, value] of values) {
    const { metadata } = await read(['key', type, value], after);
    expect(metadata.after, `type ${type}`).toBe('it');
  }
  expect(await messageOf(read(['key', 13, Buffer.of(0)]))).toMatch(/metadata of the unknown type 13/);
});

it('is recognised by all four letters', () => {
  expect(looksLikeGguf(Buffer.from('GGUF'))).toBe(true);
  for (const other of ['XGUF', 'GXUF', 'GGXF', 'GGUX'])
    expect(looksLikeGguf(Buffer.from(other)), other).toBe(false);
});

it('more keys than any model has are refused', async () => {
  expect(await messageOf(readGguf(bytesAsFile(file([], 1e9), 'x.gguf')))).toMatch(
    /1000000000 keys, the limit is/,
  );
});
