/** Every field of a zip archive by itself: what is read from it, and what is said where it is wrong. */
import { describe, expect, it } from 'vitest';
import { bytesAsFile, messageOf } from '../../testing.ts';
import { isZip, readZip } from './zip.ts';

const ELSEWHERE = 0xffffffff;

interface Part {
  readonly name?: string;
  readonly data?: Uint8Array;
  readonly local?: { signature?: number; name?: string; nameLength?: number; extra?: Uint8Array };
  readonly central?: {
    signature?: number;
    flags?: number;
    method?: number;
    packed?: number;
    size?: number;
    offset?: number;
    extra?: Uint8Array;
    comment?: Uint8Array;
    commentLength?: number;
  };
}

interface Ends {
  /** Of the end of the central directory. */
  readonly count?: number;
  readonly length?: number;
  readonly offset?: number;
  readonly comment?: string;
  /** The zip64 record and its locator; without them there is none. */
  readonly wide?: {
    readonly signature?: number;
    readonly locator?: number;
    readonly at?: number;
    readonly count?: number;
    readonly length?: number;
    readonly offset?: number;
  };
  /** Bytes before the first entry. */
  readonly padding?: number;
}

/** An archive of which every field can be another than the right one. */
function archive(parts: readonly Part[], ends: Ends = {}): Uint8Array {
  const files: Uint8Array[] = [Buffer.alloc(ends.padding ?? 0)];
  const directory: Uint8Array[] = [];
  let at = ends.padding ?? 0;
  for (const { name = 'a', data = Buffer.from('data'), local = {}, central = {} } of parts) {
    const [label, localLabel] = [Buffer.from(name), Buffer.from(local.name ?? name)];
    const head = Buffer.alloc(30);
    head.writeUInt32LE(local.signature ?? 0x04034b50, 0);
    head.writeUInt16LE(local.nameLength ?? localLabel.length, 26);
    head.writeUInt16LE(local.extra?.length ?? 0, 28);
    const whole = Buffer.concat([head, localLabel, local.extra ?? Buffer.alloc(0), data]);
    const { extra = Buffer.alloc(0), comment = Buffer.alloc(0) } = central;
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(central.signature ?? 0x02014b50, 0);
    entry.writeUInt16LE(central.flags ?? 0, 8);
    entry.writeUInt16LE(central.method ?? 0, 10);
    entry.writeUInt32LE(central.packed ?? data.length, 20);
    entry.writeUInt32LE(central.size ?? data.length, 24);
    entry.writeUInt16LE(label.length, 28);
    entry.writeUInt16LE(extra.length, 30);
    entry.writeUInt16LE(central.commentLength ?? comment.length, 32);
    entry.writeUInt32LE(central.offset ?? at, 42);
    files.push(whole);
    directory.push(entry, label, extra, comment);
    at += whole.length;
  }
  const central = Buffer.concat(directory);
  const { wide } = ends;
  const end64 = Buffer.alloc(wide === undefined ? 0 : 76);
  if (wide !== undefined) {
    end64.writeUInt32LE(wide.signature ?? 0x06064b50, 0);
    end64.writeBigUInt64LE(BigInt(wide.count ?? parts.length), 32);
    end64.writeBigUInt64LE(BigInt(wide.length ?? central.length), 40);
    end64.writeBigUInt64LE(BigInt(wide.offset ?? at), 48);
    end64.writeUInt32LE(wide.locator ?? 0x07064b50, 56);
    end64.writeBigUInt64LE(BigInt(wide.at ?? at + central.length), 64);
  }
  const comment = Buffer.from(ends.comment ?? '');
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(ends.count ?? parts.length, 10);
  end.writeUInt32LE(ends.length ?? central.length, 12);
  end.writeUInt32LE(ends.offset ?? at, 16);
  end.writeUInt16LE(comment.length, 20);
  return new Uint8Array(Buffer.concat([...files, central, end64, end, comment]));
}

const read = (parts: readonly Part[], ends?: Ends) => readZip(bytesAsFile(archive(parts, ends)));
const refusal = (parts: readonly Part[], ends?: Ends) => messageOf(read(parts, ends));
/** A field of the extra part of an entry. */
const field = (id: number, ...values: number[]) => {
  const out = Buffer.alloc(4 + 8 * values.length);
  out.writeUInt16LE(id, 0);
  out.writeUInt16LE(8 * values.length, 2);
  values.forEach((value, i) => {
    out.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  });
  return out;
};

it('is recognised by its first four bytes', () => {
  expect(isZip(Uint8Array.of(0x50, 0x4b, 3, 4, 9))).toBe(true);
  for (let i = 0; i < 4; i++) {
    const bytes = Uint8Array.of(0x50, 0x4b, 3, 4);
    bytes[i]++;
    expect(isZip(bytes), `byte ${i}`).toBe(false);
  }
});

describe('entries', () => {
  it('are where the local header ends, whatever lies between and around them', async () => {
    const { entries, compressed } = await read(
      [
        { name: 'one', data: Buffer.from('1234567'), local: { extra: Buffer.alloc(5) } },
        { name: 'small', central: { method: 8 } },
        { name: 'dir with space/two', central: { comment: Buffer.from('a comment'), extra: field(7, 1) } },
        { name: 'empty', data: Buffer.alloc(0) },
      ],
      { comment: 'the end', padding: 3 },
    );
    const two = 3 + 30 + 3 + 5 + 7 + (30 + 5 + 4);
    expect([...entries.values()]).toEqual([
      { name: 'one', byteOffset: 3 + 30 + 3 + 5, byteLength: 7 },
      { name: 'dir with space/two', byteOffset: two + 30 + 18, byteLength: 4 },
      { name: 'empty', byteOffset: two + 30 + 18 + 4 + 30 + 5, byteLength: 0 },
    ]);
    expect([...compressed]).toEqual(['small']);
    expect((await read([])).entries.size).toBe(0);
  });

  it('may stand in the directory in another order than in the file', async () => {
    const second = 30 + 1 + 4;
    const found = await read([
      { name: 'a', central: { offset: second }, local: { name: 'b' } },
      { name: 'b', central: { offset: 0 }, local: { name: 'a' } },
    ]);
    expect([...found.entries.values()].map(({ byteOffset }) => byteOffset)).toEqual([second + 31, 31]);
  });

  it('may have a comment of any length that holds the mark of the end', async () => {
    const mark = Buffer.from([0x50, 0x4b, 5, 6]).toString('latin1');
    const comment = `${mark}${'x'.repeat(65_535 - 4)}`;
    expect((await read([{}], { comment, padding: 100 })).entries.size).toBe(1);
    expect((await read([{}], { comment: `${mark}${'\0'.repeat(30)}` })).entries.size).toBe(1);
  });

  it('are compressed where any bit of the method says so', async () => {
    expect([...(await read([{ central: { method: 0x100 } }])).compressed]).toEqual(['a']);
  });

  it.each<[string, Part[], RegExp]>([
    ['no name', [{ name: '' }], /the name "" leads out/],
    ['a control character', [{ name: 'a\u001fb' }], /leads out of the archive/],
    ['a path from the root', [{ name: '/a' }], /the name "\/a" leads out/],
    ['a drive', [{ name: 'C:a' }], /the name "C:a" leads out/],
    ['a backslash', [{ name: 'a\\b' }], /leads out/],
    ['a step up', [{ name: 'a/../b' }], /the name "a\/..\/b" leads out/],
    ['a name twice', [{}, {}], /two entries are called "a"/],
    ['a compressed name twice', [{ central: { method: 8 } }, {}], /two entries are called "a"/],
    ['encryption', [{ central: { flags: 1 } }], /"a" is encrypted/],
    ['another entry in the directory', [{ central: { signature: 1 } }], /entry 0 of 1 is missing/],
    [
      'a comment beyond the directory',
      [{ central: { commentLength: 1 } }],
      /entry 0 goes beyond the central/,
    ],
    ['a long comment beyond it', [{ central: { commentLength: 256 } }], /entry 0 goes beyond the central/],
    [
      'data beyond the directory',
      [{ central: { packed: 5, size: 5 } }],
      /"a" goes beyond the end of the data/,
    ],
    ['another size', [{ central: { size: 3 } }], /"a" is stored in 4 bytes but says that it has 3/],
    ['a header beyond the data', [{ central: { offset: 5 } }], /the header of "a" lies beyond the data/],
    ['no header', [{ local: { signature: 0x04034b51 } }], /header of "a" is not where/],
    ['a header of another name', [{ name: 'ab', local: { name: 'ac' } }], /header of "ab" is not where/],
    ['a header with a longer name', [{ local: { nameLength: 2 } }], /header of "a" is not where/],
    ['a long name', [{ name: `/${'n'.repeat(80)}` }], /the name "\/n{76}\.\.\." leads out/],
    ['a name of 80 characters', [{ name: `/${'n'.repeat(79)}` }], /the name "\/n{79}" leads out/],
  ])('%s is refused', async (_, parts, message) => {
    expect(await refusal(parts)).toMatch(message);
  });

  it('over one another are refused, and may touch', async () => {
    const inner = { name: 'b', data: Buffer.from('inside') };
    const hidden = archive([inner]).slice(0, 30 + 1 + 6);
    const outer = { name: 'a', data: hidden };
    const overlapping = [outer, { ...inner, central: { offset: 31 } }];
    expect(await refusal(overlapping)).toMatch(/"a" and "b" overlap/);
    const backwards = [
      { ...inner, central: { offset: 37 + 31 } },
      { ...outer, central: { offset: 37 } },
    ];
    expect(await refusal(backwards)).toMatch(/"a" and "b" overlap/);
  });

  it('that the directory counts and does not hold are missing', async () => {
    expect(await refusal([{}], { count: 2 })).toMatch(/entry 1 of 2 is missing in the central directory/);
    expect(await refusal([{}, { name: 'b' }], { length: 47 + 46 })).toMatch(/entry 1 goes beyond/);
    expect(await refusal([{}, { name: 'b' }], { length: 47 + 45 })).toMatch(/entry 1 of 2 is missing/);
  });
});

describe('the end of the directory', () => {
  it('must be there, and the directory before it', async () => {
    expect(await messageOf(readZip(bytesAsFile(new Uint8Array(22))))).toMatch(/no end of central directory/);
    expect(await messageOf(readZip(bytesAsFile(new Uint8Array(3))))).toMatch(/no end of central directory/);
    const whole = archive([{}]);
    expect(await messageOf(readZip(bytesAsFile(whole.slice(0, -1))))).toMatch(/no end of central directory/);
    expect(await refusal([{}], { offset: 36 })).toMatch(/the central directory goes beyond its end/);
    expect(await refusal([{}], { length: 48 })).toMatch(/the central directory goes beyond its end/);
  });

  /** The message for a file whose end alone is there. */
  async function messageOfLarge(size: number, tail: Uint8Array): Promise<string> {
    const read = async (offset: number, length: number) => {
      const out = new Uint8Array(Math.min(length, size - offset));
      const [start, end] = [Math.max(offset, size - tail.length), offset + out.length];
      if (start < end)
        out.set(tail.subarray(start + tail.length - size, end + tail.length - size), start - offset);
      return out;
    };
    return messageOf(readZip({ path: 'model.ckpt', realPath: 'model.ckpt', size, read }));
  }

  it('may not promise more than any model needs', async () => {
    const size = 60_000_000;
    const tail = (wide: Ends['wide']) =>
      archive([], { count: 0xffff, wide: { offset: 0, at: size - 22 - 76, ...wide } });
    expect(await messageOfLarge(size, tail({ count: 200_001 }))).toMatch(
      /200001 entries, the limit is 200000/,
    );
    expect(await messageOfLarge(size, tail({ count: 200_000 }))).toMatch(/entry 0 of 200000 is missing/);
    expect(await messageOfLarge(size, tail({ length: 32_000_001 }))).toMatch(
      /central directory of 32000001 bytes, the limit is 32000000/,
    );
    expect(await messageOfLarge(size, tail({ count: 1, length: 32_000_000 }))).toMatch(
      /entry 0 of 1 is missing/,
    );
  });
});

const withByte = (bytes: Uint8Array, at: number, value: number) =>
  Uint8Array.from(bytes).fill(value, at, at + 1);

describe('zip64', () => {
  it.each<[string, Ends]>([
    ['the count', { count: 0xffff }],
    ['the length', { length: ELSEWHERE }],
    ['the offset', { offset: ELSEWHERE }],
  ])('has %s where the end says so', async (_, ends) => {
    expect((await read([{}], { ...ends, wide: {} })).entries.size).toBe(1);
  });

  it('gives what an entry says to be elsewhere, in the order of the standard', async () => {
    const all = { size: ELSEWHERE, packed: ELSEWHERE, offset: ELSEWHERE };
    const place = { name: 'a', byteOffset: 31 + 3, byteLength: 4 };
    for (const central of [
      { ...all, extra: field(1, 4, 4, 3) },
      { ...all, extra: Buffer.concat([field(9), field(0x101, 8, 8), field(1, 4, 4, 3)]) },
      { size: ELSEWHERE, extra: field(1, 4) },
      { packed: ELSEWHERE, extra: field(1, 4) },
      { offset: ELSEWHERE, extra: field(1, 3) },
      { offset: ELSEWHERE, size: ELSEWHERE, extra: field(1, 4, 3) },
      // Not asked for.
      { extra: field(1, 99) },
    ]) {
      const { entries } = await read([{ central }], { padding: 3 });
      expect(entries.get('a')).toEqual(place);
    }
  });

  it.each<[string, Part, RegExp]>([
    ['no field', { central: { size: ELSEWHERE } }, /"a" has no zip64 field/],
    ['another field', { central: { size: ELSEWHERE, extra: field(2, 4) } }, /"a" has no zip64 field/],
    ['fields cut off', { central: { size: ELSEWHERE, extra: Buffer.alloc(3) } }, /"a" has no zip64 field/],
    [
      'a field with too little',
      {
        central: { size: ELSEWHERE, packed: ELSEWHERE, extra: Buffer.concat([field(1, 4), field(7, 4, 4)]) },
      },
      /the zip64 field of "a" is too short/,
    ],
    [
      'a field that ends early',
      { central: { size: ELSEWHERE, extra: field(1, 4).subarray(0, 11) } },
      /the zip64 field of "a" is too short/,
    ],
    [
      'a field that says it is shorter than a number',
      { central: { size: ELSEWHERE, extra: withByte(field(1, 4), 2, 7) } },
      /the zip64 field of "a" is too short/,
    ],
    [
      'a size beyond the file',
      { central: { size: ELSEWHERE, extra: field(1, 2 ** 40) } },
      /size or offset of "a" of 1099511627776 is beyond the file/,
    ],
  ])('%s is refused', async (_, part, message) => {
    expect(await refusal([part])).toMatch(message);
  });

  it('must have its record and its locator', async () => {
    const wide = (changes: Ends['wide']) => refusal([{}], { count: 0xffff, wide: changes });
    expect(await refusal([], { count: 0xffff })).toMatch(/its zip64 locator is missing/);
    expect(await refusal([{}], { count: 0xffff })).toMatch(/its zip64 locator is missing/);
    expect(await wide({ locator: 1 })).toMatch(/its zip64 locator is missing/);
    expect(await wide({ signature: 1 })).toMatch(/its zip64 end is missing/);
    const size = archive([{}], { count: 0xffff, wide: {} }).length;
    expect(await wide({ at: size - 22 - 55 })).toMatch(/its zip64 end lies beyond the file/);
    expect(await wide({ at: size })).toMatch(/its zip64 end lies beyond the file/);
    expect(await wide({ at: size + 1 })).toMatch(new RegExp(`zip64 end of ${size + 1} is beyond the file`));
    expect(await wide({ count: 2 ** 33 })).toMatch(/entry count of 8589934592 is beyond the file/);
  });
});
