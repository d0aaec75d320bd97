import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { required, UserError } from '../../../errors.ts';
import { bytesAsFile, FORMATS, messageOf, tensorPickle, torchArchive, zipOf } from '../../testing.ts';
import { openSafetensors, readAll } from '../safetensors.ts';
import { valuesOf } from '../tensor-views.ts';
import { MAX_PICKLE_BYTES } from './pickle.ts';
import { openTorchFile, readTorchFile } from './torch-file.ts';

const read = (bytes: Uint8Array) => readTorchFile(bytesAsFile(bytes));
const numbers = Buffer.alloc(24, 1);

describe('files that torch wrote', () => {
  it.each(['zip', 'legacy'])('gives every tensor of a checkpoint (%s)', async (kind) => {
    const file = await openTorchFile(`${FORMATS}values-${kind}.pt`);
    const expected = await readAll(await openSafetensors(`${FORMATS}values.safetensors`));
    expect([...file.tensors.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [name, { dtype, shape, data }] of expected) {
      const tensor = required(file.tensors.get(name));
      expect(tensor.shape, name).toEqual(shape);
      expect([...valuesOf(tensor)], name).toEqual([...data]);
      // What lies in order is not copied.
      if (['column', 'transposed', 'channels_last'].includes(name)) expect(tensor).toHaveProperty('compute');
      else
        expect(tensor, name).toMatchObject({ dtype, byteLength: data.length === 0 ? 0 : expect.any(Number) });
    }
    expect(file.metadata).toMatchObject({ global_step: '875000', epoch: '7', best: '0.25', note: 'naïve' });
  });

  it('gives the parameters of a TorchScript archive, and runs none of its code', async () => {
    const { tensors, metadata } = await openTorchFile(`${FORMATS}clip-openai.pt`);
    expect(metadata.format).toBe('torchscript');
    expect(tensors.get('visual.transformer.resblocks.1.attn.in_proj_weight')).toMatchObject({
      dtype: 'F16',
      shape: [48, 16],
      byteLength: 48 * 16 * 2,
    });
    expect([...valuesOf(required(tensors.get('input_resolution')))]).toEqual([16n]);
  });
});

it('refuses another legacy protocol than the one there is', async () => {
  const bytes = Buffer.from(await readFile(`${FORMATS}values-legacy.pt`));
  // The second pickle is the number 1001, in two bytes.
  const at = bytes.indexOf(Buffer.of(0x4d, 0xe9, 0x03, 0x2e));
  bytes[at + 1]++;
  expect(await messageOf(read(bytes))).toContain('an unknown legacy format');
});

it('refuses a legacy file of a machine with another order of bytes', async () => {
  const bytes = Buffer.from(await readFile(`${FORMATS}values-legacy.pt`));
  const at = bytes.indexOf('little_endian');
  const value = bytes.indexOf(0x88, at);
  expect(value - at).toBeLessThan(20);
  bytes[value] = 0x89;
  expect(await messageOf(read(bytes))).toContain('it is not little-endian');
});

it('reads a pickle as long as the limit, and refuses one that is longer', async () => {
  const opened = (length: number) => {
    const bytes = zipOf([{ name: 'archive/data.pkl', data: Buffer.of(), size: length, packed: length }]);
    // The pickle itself is a gap: who asks for it gets an error.
    const start = 30 + 'archive/data.pkl'.length;
    new DataView(bytes.buffer).setUint32(bytes.length - 6, start + length, true);
    return readTorchFile({
      path: 'model.ckpt',
      realPath: 'model.ckpt',
      size: bytes.length + length,
      async read(offset, count) {
        if (offset === start && count === length) throw new UserError(`asked for ${count} bytes`);
        return Uint8Array.from({ length: count }, (_, i) => {
          const at = offset + i;
          if (at < start) return bytes[at];
          return at < start + length ? 0 : bytes[at - length];
        });
      },
    });
  };
  expect(await messageOf(opened(MAX_PICKLE_BYTES))).toBe(`asked for ${MAX_PICKLE_BYTES} bytes`);
  expect(await messageOf(opened(MAX_PICKLE_BYTES + 1))).toMatch(
    /a pickle of 32000001 bytes, the limit is 32000000/,
  );
});

describe('tensors and storages', () => {
  it('checks views against their storage, and storages against the file', async () => {
    const good = await read(torchArchive(tensorPickle(), { 0: numbers }));
    expect(good.tensors.get('w')).toMatchObject({ dtype: 'F32', shape: [2, 3], byteLength: 24 });
    const cases: [Parameters<typeof tensorPickle>[0], RegExp][] = [
      [{ offset: 'K\x01' }, /tensor "w", \[2,3\] from element 1, goes beyond the 6 elements/],
      [{ strides: 'K\x04K\x01\x86' }, /goes beyond the 6 elements/],
      [{ length: 'K\x07' }, /storage of tensor "w" has 24 bytes, 28 are needed/],
      [{ length: '\x8a\x07\x00\x00\x00\x00\x00\x00\x01' }, /has 24 bytes, 1125899906842624 are needed/],
      [{ storage: 'ctorch\nDoubleStorage\n' }, /has 24 bytes, 48 are needed/],
      [
        { shape: 'J\xff\xff\xff\xffK\x03\x86' },
        /a tensor of shape "\[-1,3\]"; sizes are whole numbers from 0/,
      ],
      [{ strides: 'J\xff\xff\xff\xffK\x01\x86' }, /with strides "\[-1,1\]"/],
      [{ offset: 'J\xff\xff\xff\xff' }, /from "-1"/],
      [{ shape: 'K\x02\x85' }, /with strides/],
      [{ shape: 'NN\x86' }, /a tensor of shape/],
      [{ storage: 'ctorch\nComplexFloatStorage\n' }, /"torch\.ComplexFloatStorage", which is refused/],
      // 2^40 x 2^40 elements, of which every one is the first.
      [
        {
          shape: '\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\x06\x00\x00\x00\x00\x00\x01\x86',
          strides: 'K\x00K\x00\x86',
        },
        /tensor "w" has 1208925819614629174706176 elements/,
      ],
    ];
    for (const [change, message] of cases) {
      expect(await messageOf(read(torchArchive(tensorPickle(change), { 0: numbers })))).toMatch(message);
    }
    expect(await messageOf(read(torchArchive(tensorPickle())))).toMatch(/"archive\/data\/0" is missing/);
  });

  it('never makes a tensor larger than its file', async () => {
    const repeated = tensorPickle({ shape: 'J\x00\x00\x00\x01K\x03\x86', strides: 'K\x00K\x01\x86' });
    const file = await read(torchArchive(repeated, { 0: numbers }));
    const tensor = required(file.tensors.get('w'));
    expect(await messageOf(() => valuesOf(tensor))).toMatch(/\[16777216,3\] repeats the same elements/);
  });

  it('takes a state dict from where training codes put it', async () => {
    const inner = tensorPickle().slice(2, -1);
    const wrap = (names: string[]) =>
      names.reduceRight(
        (value, name) => `}X${String.fromCharCode(name.length)}\x00\x00\x00${name}${value}s`,
        inner,
      );
    for (const names of [['state_dict'], ['state_dict', 'state_dict'], ['model'], ['module', 'state_dict']]) {
      const file = await read(torchArchive(`\x80\x02${wrap(names)}.`, { 0: numbers }));
      expect([...file.tensors.keys()], names.join()).toEqual(['w']);
    }
    const words = await read(torchArchive(`\x80\x02${wrap(['string_to_param'])}.`, { 0: numbers }));
    expect([...words.tensors.keys()]).toEqual(['string_to_param.w']);
    const container = `ctorch.nn.modules.container\nParameterDict\n)\x81${wrap(['_parameters'])}b`;
    const old = `\x80\x02}X\x0f\x00\x00\x00string_to_param${container}s.`;
    expect([...(await read(torchArchive(old, { 0: numbers }))).tensors.keys()]).toEqual([
      'string_to_param.w',
    ]);
    expect(await messageOf(read(torchArchive('\x80\x02}.')))).toMatch(/holds no tensors by name/);
    expect(await messageOf(read(torchArchive('\x80\x02]K\x01a.')))).toMatch(/holds no tensors by name/);
  });
});

describe('archives', () => {
  const pickle = Buffer.from(tensorPickle(), 'latin1');
  const parts = [
    { name: 'archive/data.pkl', data: pickle },
    { name: 'archive/data/0', data: numbers },
  ];

  it('reads zip64 and comments', async () => {
    for (const bytes of [
      zipOf(parts, { zip64: true }),
      zipOf(parts, { comment: 'PK\x05\x06 made by hand' }),
    ]) {
      expect((await read(bytes)).tensors.get('w')).toMatchObject({ shape: [2, 3], byteLength: 24 });
    }
  });

  it('refuses what lies, hides or overlaps, and reads nothing that is compressed', async () => {
    const bad = (part: object, message: RegExp) =>
      [zipOf([parts[0], { ...parts[1], ...part }]), message] as const;
    const cases = [
      bad({ name: '../../etc/passwd' }, /the name "\.\.\/\.\.\/etc\/passwd" leads out of the archive/),
      bad({ name: 'archive/data/../../x' }, /leads out of the archive/),
      bad({ name: '/etc/passwd' }, /leads out/),
      bad({ name: 'C:\\windows' }, /leads out/),
      bad({ name: 'archive/data.pkl' }, /two entries are called "archive\/data\.pkl"/),
      bad({ offset: 0 }, /the header of "archive\/data\/0" is not where the central directory says/),
      bad({ offset: 0xfffffff0 }, /lies beyond the data/),
      bad({ size: 0x7fffffff }, /stored in 24 bytes but says that it has 2147483647/),
      bad({ size: 1000, packed: 1000 }, /goes beyond the end of the data/),
      bad({ method: 8, size: 2 ** 31 }, /"archive\/data\/0" is compressed/),
      bad({ flags: 1 }, /is encrypted/),
      [
        zipOf([{ ...parts[0], packed: pickle.length + 40, size: pickle.length + 40 }, parts[1]]),
        /overlap/,
      ] as const,
      [zipOf([{ ...parts[0], method: 8 }]), /its entries are compressed/] as const,
      [zipOf([{ name: 'a.txt', data: numbers }]), /a zip archive with no data\.pkl/] as const,
      [
        zipOf([...parts, { name: 'archive/byteorder', data: Buffer.from('big') }]),
        /byte order is "big"/,
      ] as const,
      [zipOf(parts).subarray(0, -30), /no end of central directory; is it truncated\?/] as const,
    ];
    for (const [bytes, message] of cases) expect(await messageOf(read(bytes))).toMatch(message);
  });

  it('says what another file is', async () => {
    expect(await messageOf(read(Buffer.from('hello')))).toMatch(
      /begins neither as an archive nor as a pickle/,
    );
    expect(await messageOf(read(Buffer.from('')))).toMatch(/begins neither/);
    expect(await messageOf(read(Buffer.from('\x80\x02K\x01.', 'latin1')))).toMatch(
      /torch\.save did not write/,
    );
  });
});
