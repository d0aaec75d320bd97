/** ONNX files that are made to harm: one line each, within a second and 200 MB, when they are imported, traced or compiled. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { compile, importOnnx, trace } from '@sgool/autodiff';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type WrittenModel, type WrittenNode, writeModel } from '../testing/onnx-model.ts';
import { LARGEST_TENSOR } from './limits.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'autodiff-onnx-'));
  await mkdir(path.join(folder, 'model/inside'), { recursive: true });
  await writeFile(path.join(folder, 'outside.bin'), new Uint8Array(64));
  await writeFile(path.join(folder, 'model/weights.bin'), new Uint8Array(64));
  await symlink('../outside.bin', path.join(folder, 'model/link.bin'));
  await symlink('weights.bin', path.join(folder, 'model/alias.bin'));
  await symlink('..', path.join(folder, 'model/up'));
  await symlink('/dev/zero', path.join(folder, 'model/zero.bin'));
  await symlink('loop.bin', path.join(folder, 'model/loop.bin'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Imports, traces, compiles and runs a model; its error, which must be a single line. */
async function attempt(bytes: Uint8Array, { runs = true } = {}): Promise<string | undefined> {
  const before = process.memoryUsage().rss;
  const started = performance.now();
  try {
    const model = importOnnx(bytes, { folder: path.join(folder, 'model') });
    const graph = trace(model.inputs, (given) => model(given));
    if (runs) {
      const program = await compile(graph, { threads: 1 });
      await program.dispose();
    }
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    const { message } = error as Error;
    expect(message).not.toMatch(/[\n\r]/);
    expect(message.length).toBeLessThan(1500);
    return message;
  } finally {
    expect(performance.now() - started).toBeLessThan(2000);
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
  }
}

const int64 = (name: string, numbers: readonly number[], shape: readonly number[] = [numbers.length]) => ({
  name,
  shape,
  numbers,
});
const many = (count: number) => new Array<number>(count).fill(1);

describe('operators', () => {
  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'])(
    'called %s are unknown, in the standard domain and in others',
    async (op) => {
      const unknown = new RegExp(`^importOnnx: no gradient rule for ${op}; the importable`);
      expect(await attempt(writeModel({ nodes: [{ op, inputs: ['x'] }] }))).toMatch(unknown);
      const domain = writeModel({ nodes: [{ op, inputs: ['x'], domain: 'com.example' }] });
      expect(await attempt(domain)).toContain(`no gradient rule for com.example:${op};`);
    },
  );

  it('of any number and length are named in one line', async () => {
    const nodes = Array.from({ length: 200 }, (_, i) => ({
      op: `\u001b[31m\n${i}${'x'.repeat(5000)}`,
      inputs: ['x'],
    }));
    expect(await attempt(writeModel({ nodes }))).toMatch(
      /^importOnnx: no gradient rule for \?\[31m\?0x+\.\.\., .* and 195 more;/,
    );
  });
});

/** What makes much of little. */
const BOMBS: readonly [what: string, model: WrittenModel, message: RegExp | undefined][] = [
  [
    'ConstantOfShape',
    { initializers: [int64('s', [1e8])], nodes: [{ op: 'ConstantOfShape', inputs: ['s'] }] },
    /ConstantOfShape "node 0": 100000000 numbers would be computed from constants; there may be 1677/,
  ],
  [
    'ConstantOfShape of more than there can be',
    { initializers: [int64('s', [1e6, 1e6])], nodes: [{ op: 'ConstantOfShape', inputs: ['s'] }] },
    /its result has 1000000000000 elements; there may be 536870912/,
  ],
  [
    'ConstantOfShape of a negative length',
    { initializers: [int64('s', [-1])], nodes: [{ op: 'ConstantOfShape', inputs: ['s'] }] },
    /its result has the length -1; lengths must be whole numbers from 0/,
  ],
  [
    'Cos of ConstantOfShape',
    {
      initializers: [int64('s', [1e8])],
      nodes: [
        { op: 'ConstantOfShape', inputs: ['s'] },
        { op: 'Cos', inputs: ['t0'] },
      ],
    },
    /numbers would be computed from constants/,
  ],
  [
    'Range',
    {
      initializers: [int64('a', [0], []), int64('b', [1e8], []), int64('c', [1], [])],
      nodes: [{ op: 'Range', inputs: ['a', 'b', 'c'] }],
    },
    /Range "node 0": from 0 to 100000000 by 1 are 100000000 numbers; there may be 4096/,
  ],
  [
    'Range without a step',
    {
      initializers: [int64('a', [0], []), int64('b', [1], []), int64('c', [0], [])],
      nodes: [{ op: 'Range', inputs: ['a', 'b', 'c'] }],
    },
    /by 0 are Infinity numbers/,
  ],
  [
    'Add of a row and a column',
    {
      initializers: [int64('a', many(4096), [4096, 1]), int64('b', many(4096), [1, 4096])],
      nodes: [{ op: 'Add', inputs: ['a', 'b'] }],
    },
    undefined,
  ],
  [
    'Where of three',
    {
      initializers: [
        int64('a', many(4096), [4096, 1, 1]),
        int64('b', many(4096), [1, 4096, 1]),
        int64('c', many(4096), [1, 1, 4096]),
      ],
      nodes: [{ op: 'Where', inputs: ['a', 'b', 'c'] }],
    },
    /Where "node 0": /,
  ],
  [
    'Gather of many from many',
    {
      initializers: [int64('a', many(4096), [1, 4096]), int64('b', many(4096).fill(0), [4096])],
      nodes: [{ op: 'Gather', inputs: ['a', 'b'] }],
    },
    undefined,
  ],
  [
    'Concat that doubles',
    {
      initializers: [int64('a', many(64))],
      nodes: [
        { op: 'Concat', inputs: ['a', 'a'] },
        ...Array.from({ length: 40 }, (_, i) => ({ op: 'Concat', inputs: [`t${i}`, `t${i}`] })),
      ].map((node): WrittenNode => ({ ...node, int: { axis: 0 } })),
    },
    /Concat "node \d+": \d+ numbers would be computed from constants/,
  ],
  [
    'Expand',
    {
      initializers: [int64('s', [1e5, 1e5]), { name: 'a', shape: [1], type: 1, numbers: [1] }],
      nodes: [{ op: 'Expand', inputs: ['a', 's'] }],
    },
    /its result has 10000000000 elements/,
  ],
  [
    'Expand of an input',
    { initializers: [int64('s', [1e4, 1e4, 1, 2, 4, 4])], nodes: [{ op: 'Expand', inputs: ['x', 's'] }] },
    /its result has 3200000000 elements/,
  ],
  [
    'Pad',
    { initializers: [int64('p', [0, 0, 0, 0, 0, 0, 1e9, 0])], nodes: [{ op: 'Pad', inputs: ['x', 'p'] }] },
    /its result has \d+ elements/,
  ],
  [
    'Resize',
    {
      initializers: [int64('s', [1, 2, 4, 1e8])],
      nodes: [{ op: 'Resize', inputs: ['x', '', '', 's'], text: { mode: 'linear' } }],
    },
    /it needs matrices of 400000016 numbers; there may be 33554432/,
  ],
  [
    'Resize by repeating',
    { initializers: [int64('s', [1, 2, 4e6, 4e6])], nodes: [{ op: 'Resize', inputs: ['x', '', '', 's'] }] },
    /mode nearest .* is not supported/,
  ],
  [
    'Unsqueeze to many axes',
    {
      initializers: [
        int64(
          'a',
          Array.from({ length: 1000 }, (_, i) => i),
        ),
      ],
      nodes: [{ op: 'Unsqueeze', inputs: ['x', 'a'] }],
    },
    /its result has 1004 axes; there may be 16/,
  ],
  [
    'an input of any size',
    { nodes: [{ op: 'Relu', inputs: ['x'] }], shape: [1e5, 1e5] },
    /input "x" has 10000000000 elements/,
  ],
  [
    'an input of negative size',
    { nodes: [{ op: 'Relu', inputs: ['x'] }], shape: [-4] },
    /input "x" has the length -4/,
  ],
  [
    'a tensor whose lengths multiply to the number that it holds by going round',
    { initializers: [int64('a', [], [2 ** 33, 2 ** 31, 0])], nodes: [{ op: 'Relu', inputs: ['x'] }] },
    undefined,
  ],
  [
    'a tensor of negative size',
    { initializers: [int64('a', [1], [-1, -1])], nodes: [{ op: 'Relu', inputs: ['x'] }] },
    /tensor "a" has the length -1/,
  ],
  [
    'a tensor with many axes',
    { initializers: [int64('a', [1], many(100_000))], nodes: [{ op: 'Relu', inputs: ['x'] }] },
    /tensor "a" has 100000 axes/,
  ],
];

it.each(BOMBS)('a small file that makes much: %s', async (_, model, message) => {
  const said = await attempt(writeModel(model));
  if (message === undefined) expect(said ?? '').not.toContain('undefined');
  else expect(said).toMatch(message);
});

describe('graphs', () => {
  const relu = (input: string, output: string) => ({ op: 'Relu', inputs: [input], outputs: [output] });
  it.each<[string, WrittenModel, RegExp]>([
    [
      'that go round',
      { nodes: [relu('b', 'a'), relu('a', 'b'), relu('b', 'y')] },
      /Relu reads "b", which no node before it gives/,
    ],
    ['whose node reads itself', { nodes: [relu('y', 'y')] }, /Relu reads "y", which no node before it gives/],
    [
      'with two values of one name',
      { nodes: [relu('x', 'a'), relu('x', 'a'), relu('a', 'y')] },
      /the value "a" is given twice/,
    ],
    [
      'whose node gives an input',
      { nodes: [relu('x', 'x'), relu('x', 'y')] },
      /the value "x" is given twice/,
    ],
    [
      'with two inputs of one name',
      { nodes: [relu('x', 'y')], inputs: ['x', 'x'] },
      /the value "x" is given twice/,
    ],
    [
      'with two outputs of one name',
      { nodes: [relu('x', 'y')], outputs: ['y', 'y'] },
      /two outputs have one name/,
    ],
    [
      'with two tensors of one name',
      { nodes: [relu('x', 'y')], initializers: [int64('a', [1]), int64('a', [2])] },
      /the tensor "a" is there twice/,
    ],
    [
      'with an input called __proto__',
      { nodes: [relu('__proto__', 'y')], inputs: ['__proto__'] },
      /an input or output cannot be called "__proto__"/,
    ],
    [
      'with an output called __proto__',
      { nodes: [relu('x', '__proto__')], outputs: ['__proto__'] },
      /cannot be called "__proto__"/,
    ],
    [
      'that read constructor',
      { nodes: [relu('constructor', 'y')] },
      /Relu reads "constructor", which no node/,
    ],
    ['without their output', { nodes: [relu('x', 'a')] }, /no node gives the output "y"/],
    [
      'whose names act on a terminal',
      { nodes: [{ op: 'MaxPool', name: '\u001b[2J\nx', inputs: ['x'], ints: { kernel_shape: [2, 3] } }] },
      /MaxPool "\?\[2J\?x": kernel_shape/,
    ],
  ])('%s', async (_, model, message) => {
    expect(await attempt(writeModel(model))).toMatch(message);
  });
});

describe('attributes and shapes that do not fit name the node', () => {
  it.each<[string, Partial<WrittenModel> & { nodes: readonly WrittenNode[] }, RegExp]>([
    [
      'Reshape to another size',
      { initializers: [int64('s', [5])], nodes: [{ op: 'Reshape', inputs: ['x', 's'] }] },
      /\[1,2,4,4\] cannot take the shape \[5\]/,
    ],
    [
      'Reshape with two open lengths',
      { initializers: [int64('s', [-1, -1])], nodes: [{ op: 'Reshape', inputs: ['x', 's'] }] },
      /cannot take the shape \[-1,-1\]/,
    ],
    [
      'Reshape by zero',
      { initializers: [int64('s', [0, 0, 0, 0, 0, -1])], nodes: [{ op: 'Reshape', inputs: ['x', 's'] }] },
      /cannot take the shape/,
    ],
    [
      'Slice without a step',
      {
        initializers: [int64('a', [1, 2, 3]), int64('b', [0]), int64('e', [3]), int64('z', [0])],
        nodes: [{ op: 'Slice', inputs: ['a', 'b', 'e', 'b', 'z'] }],
      },
      /Slice "node 0": a step of 0 is no step/,
    ],
    [
      'Transpose by one axis twice',
      {
        initializers: [int64('a', many(16), [4, 4])],
        nodes: [{ op: 'Transpose', inputs: ['a'], ints: { perm: [0, 0] } }],
      },
      /perm \[0,0\] is not an order of 2 axes/,
    ],
    [
      'Gather outside',
      { initializers: [int64('a', [1, 2]), int64('i', [7])], nodes: [{ op: 'Gather', inputs: ['a', 'i'] }] },
      /index 7 is not inside an axis of length 2/,
    ],
    [
      'a division by zero',
      { initializers: [int64('a', [1]), int64('b', [0])], nodes: [{ op: 'Div', inputs: ['a', 'b'] }] },
      /Div "node 0": Infinity is no int64; is it a division by zero\?/,
    ],
    [
      'Softmax of no axis',
      { nodes: [{ op: 'Softmax', inputs: ['x'], int: { axis: 9 } }] },
      /Softmax "node 0": .*axis 9/,
    ],
    [
      'MaxPool without a window',
      { nodes: [{ op: 'MaxPool', inputs: ['x'] }] },
      /MaxPool "node 0": kernel_shape must be at least 1, got 0/,
    ],
    [
      'MaxPool without a stride',
      { nodes: [{ op: 'MaxPool', inputs: ['x'], ints: { kernel_shape: [2, 2], strides: [0, 0] } }] },
      /MaxPool "node 0": /,
    ],
    [
      'Concat of no axis',
      { nodes: [{ op: 'Concat', inputs: ['x', 'x'], int: { axis: 7 } }] },
      /Concat "node 0": /,
    ],
    [
      'MatMul of what does not fit',
      {
        initializers: [{ name: 'w', shape: [3, 3], type: 1, numbers: many(9) }],
        nodes: [{ op: 'MatMul', inputs: ['x', 'w'] }],
      },
      /MatMul "node 0": /,
    ],
  ])('%s', async (_, model, message) => {
    const said = await attempt(writeModel(model));
    expect(said).toMatch(/^importOnnx: /);
    expect(said).toMatch(message);
  });
});

describe('numbers beside the model', () => {
  const beside = (external: Record<string, string>) =>
    writeModel({
      initializers: [{ name: 'w', shape: [4], type: 1, external }],
      nodes: [{ op: 'Add', inputs: ['x', 'w'] }],
      shape: [4],
    });

  it.each([
    [{ location: 'weights.bin' }],
    [{ location: './weights.bin', offset: '16', length: '16' }],
    [{ location: 'alias.bin', offset: '48' }],
  ])('are read: %j', async (external) => {
    expect(await attempt(beside(external))).toBeUndefined();
  });

  it.each<[Record<string, string>, RegExp]>([
    [
      { location: 'link.bin' },
      /is a link to \S+outside\.bin, outside of the model's folder; copy the file into it/,
    ],
    [{ location: 'up/outside.bin' }, /outside of the model's folder/],
    [{ location: 'up/model/weights.bin', offset: '0', length: '15' }, /are 16 bytes, but its length is 15/],
    [{ location: '../outside.bin' }, /must be a relative path below the model's folder, without \.\./],
    [{ location: 'inside/../weights.bin' }, /without \.\./],
    [{ location: 'inside\\..\\..\\outside.bin' }, /without \.\./],
    [{ location: '%2e%2E/outside.bin' }, /without \.\./],
    [{ location: '/etc/passwd' }, /must be a relative path/],
    [{ location: 'C:\\windows' }, /must be a relative path/],
    [{ location: '' }, /must be a relative path/],
    [{ location: 'a\0b' }, /must be a relative path/],
    [{ offset: '0' }, /lie in the file ""; it must be a relative path/],
    [
      { location: 'weights.bin', offset: '-16' },
      /the offset of "w" in its file is "-16"; it must be a whole number from 0/,
    ],
    [{ location: 'weights.bin', offset: '1.5' }, /the offset of "w"/],
    [{ location: 'weights.bin', offset: '99999999999999999999' }, /the offset of "w"/],
    [{ location: 'weights.bin', length: 'NaN' }, /the length of "w" in its file is "NaN"/],
    [{ location: 'weights.bin', length: '17' }, /are 16 bytes, but its length is 17/],
    [{ location: 'weights.bin', offset: '49' }, /ends early, got 64 bytes; constants need 65/],
    [{ location: 'missing.bin' }, /does not exist/],
    [{ location: 'inside' }, /is no plain file/],
    [{ location: 'zero.bin' }, /is no plain file/],
    [{ location: 'loop.bin' }, /ELOOP|does not exist|no plain file/],
  ])('are refused: %j', async (external, message) => {
    expect(await attempt(beside(external))).toMatch(message);
  });
});

it('a file that ends anywhere is no model, or another one', async () => {
  const bytes = writeModel({
    initializers: [int64('s', [1, 32]), { name: 'w', shape: [2], type: 1, numbers: [1, 2] }],
    nodes: [
      { op: 'Reshape', inputs: ['x', 's'] },
      { op: 'Relu', inputs: ['t0'], text: { mode: 'a' }, tensors: { value: int64('', [1, 2]) } },
    ],
  });
  for (let end = 0; end < bytes.length; end++) {
    expect(await attempt(bytes.slice(0, end), { runs: false })).toMatch(/^importOnnx: /);
  }
});

it('any byte may be another', async () => {
  const bytes = writeModel({
    initializers: [
      int64('s', [1, 32]),
      int64('i', [0, 1]),
      { name: 'w', shape: [32, 2], type: 1, numbers: many(64) },
    ],
    nodes: [
      { op: 'Reshape', inputs: ['x', 's'] },
      { op: 'MatMul', inputs: ['t0', 'w'] },
      { op: 'Gather', inputs: ['t1', 'i'], int: { axis: 1 } },
      { op: 'Softmax', inputs: ['t2'], int: { axis: -1 } },
    ],
  });
  const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
      const other = bytes.slice();
      for (const [at, byte] of changes) other[at] = byte;
      expect((await attempt(other, { runs: false })) ?? 'importOnnx: ').toMatch(/^importOnnx: /);
    }),
    { numRuns: 500 },
  );
});

it('the largest tensor is one that a graphics card can hold', () => {
  expect(LARGEST_TENSOR * 4).toBeLessThanOrEqual(2 ** 31);
});
