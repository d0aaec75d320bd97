import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  add,
  type ConstantSource,
  cast,
  compile,
  constant,
  embedding,
  exp,
  frozen,
  grad,
  gradient,
  input,
  linear,
  matmul,
  mul,
  scoped,
  sin,
  square,
  sum,
  type Tensor,
  trace,
} from '@sgool/autodiff';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numbers } from '../testing/finite-differences.ts';
import { executedOps } from '../testing/profile.ts';

describe('dead code', () => {
  it('is dropped: a gradient that is no output costs nothing', async () => {
    const build = (withGradient: boolean) =>
      trace({ x: { shape: [4] } }, ({ x }) => {
        const y = sum(exp(x));
        const [dx] = grad(y, [x]);
        return { y, ...(withGradient ? { dx: dx } : {}) } as Record<string, Tensor>;
      });
    const [lean, full] = await Promise.all([compile(build(false)), compile(build(true))]);
    expect(lean.nodeCount).toBe(2);
    expect(full.nodeCount).toBeGreaterThan(2);
  });

  it('a program runs only what its outputs need', async () => {
    const graph = trace({ x: { shape: [2, 2] } }, ({ x }) => {
      matmul(x, x);
      return { y: exp(x) };
    });
    expect(await executedOps(graph, { x: numbers(4, 1) })).toEqual(['Exp']);
  });
});

describe('gradient of a graph', () => {
  const graph = () =>
    trace({ x: { shape: [3] }, y: { shape: [3] } }, ({ x, y }) => ({
      product: mul(x, y),
      total: sum(mul(x, x)),
    }));

  it('takes the cotangent as an input and keeps the named outputs', async () => {
    const program = await compile(
      gradient(graph(), { of: 'product', wrt: ['x', 'y'], cotangents: 'c', keep: ['total'] }),
    );
    const results = await program.run({
      x: Float32Array.of(1, 2, 3),
      y: Float32Array.of(4, 5, 6),
      c: Float32Array.of(1, 0, 2),
    });
    expect(Object.keys(results).sort()).toEqual(['grad:x', 'grad:y', 'total']);
    expect([...results['grad:x']]).toEqual([4, 0, 12]);
    expect([...results['grad:y']]).toEqual([1, 0, 6]);
    expect([...results.total]).toEqual([14]);
  });

  it('is zero where the output does not depend on the input', async () => {
    const program = await compile(gradient(graph(), { of: 'total', wrt: ['y'] }));
    const { 'grad:y': dy } = await program.run({ x: Float32Array.of(1, 2, 3), y: Float32Array.of(4, 5, 6) });
    expect([...dy]).toEqual([0, 0, 0]);
  });

  it('names the outputs and inputs that exist where a name is unknown', () => {
    expect(() => gradient(graph(), { of: 'loss', wrt: ['x'] })).toThrow(
      'gradient: no output "loss"; there are product, total',
    );
    expect(() => gradient(graph(), { of: 'total', wrt: ['z'] })).toThrow(
      'gradient: no input "z"; there are x, y',
    );
  });
});

describe('constants in files', () => {
  let folder: string;
  const values = numbers(6, 9).map((v) => Math.round(v * 64) / 64);
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'autodiff-constants-'));
    await mkdir(path.join(folder, 'blobs'));
    const bytes = new Uint8Array(10 + 24 + 12);
    bytes.set(new Uint8Array(values.buffer), 10);
    bytes.set(new Uint8Array(Uint16Array.from(values, toHalf).buffer), 34);
    await writeFile(path.join(folder, 'blobs', 'weights.bin'), bytes);
    await symlink(path.join('blobs', 'weights.bin'), path.join(folder, 'link.bin'));
    await writeFile(path.join(folder, 'second.bin'), new Uint8Array(values.buffer));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const single = (file = 'link.bin'): ConstantSource => ({
    dtype: 'float32',
    shape: [2, 3],
    file: { path: path.join(folder, file), byteOffset: 10, byteLength: 24 },
  });
  const half = (): ConstantSource => ({
    dtype: 'float16',
    shape: [2, 3],
    file: { path: path.join(folder, 'link.bin'), byteOffset: 34, byteLength: 12 },
  });

  it.each(['fast', 'lean'] as const)(
    'are read at their offsets, float32 and float16, through links (%s)',
    async (layout) => {
      const weights = frozen(
        new Map([
          ['layer.single', single()],
          ['layer.half', half()],
        ]),
        'test file',
      );
      const graph = trace({ x: { shape: [2, 3] } }, ({ x }) => {
        const layer = scoped(weights, 'layer');
        return { single: add(x, layer.get('single', [2, 3])), half: add(x, layer.get('half', [2, 3])) };
      });
      const program = await compile(graph, { layout });
      const results = await program.run({ x: new Float32Array(6) });
      expect([...results.single]).toEqual([...values]);
      expect([...results.half]).toEqual([...values]);
    },
  );

  it('may be in several folders', async () => {
    const second: ConstantSource = {
      dtype: 'float32',
      shape: [2, 3],
      file: { path: path.join(folder, 'second.bin'), byteOffset: 0, byteLength: 24 },
    };
    const graph = trace({ x: { shape: [2, 3] } }, ({ x }) => ({
      y: add(add(x, constant(single())), constant(second)),
    }));
    const program = await compile(graph);
    expect([...(await program.run({ x: new Float32Array(6) })).y]).toEqual([...values.map((v) => 2 * v)]);
  });

  it('a missing file and one that is too short fail when compiling', async () => {
    const reading = (source: ConstantSource) =>
      compile(trace({ x: { shape: [2, 3] } }, ({ x }) => ({ y: add(x, constant(source)) })));
    await expect(reading(single('gone.bin'))).rejects.toThrow('gone.bin does not exist');
    const past = {
      ...single(),
      file: { path: path.join(folder, 'link.bin'), byteOffset: 30, byteLength: 24 },
    };
    await expect(reading(past)).rejects.toThrow('ends early, got 46 bytes; constants need 54');
  });
});

describe('large constants of half precision', () => {
  const side = 730;
  const bits = (seed: number) =>
    Uint16Array.from(numbers(side * side, seed), (v) => toHalf(Math.round(v * 8) / 64));
  const weights = [bits(1), bits(2)].map(
    (data) => ({ dtype: 'float16', shape: [side, side], data }) as const,
  );
  const graph = () =>
    trace({ x: { shape: [2, side] } }, ({ x }) => {
      const [first, second] = weights.map((source) => cast(constant(source), 'float32'));
      const loss = sum(square(linear(sin(linear(x, first)), second)));
      return { loss, dx: grad(loss, [x])[0] };
    });
  const inputs = { x: numbers(2 * side, 3) };

  it('are cast right before each use with layout lean, and folded once with layout fast', async () => {
    const ops = async (layout: 'fast' | 'lean') =>
      (await executedOps(graph(), inputs, { layout })).filter((op) => /Cast|Gemm|MatMul|Sin|Cos/.test(op));
    expect(await ops('fast')).not.toContain('Cast');
    const lean = await ops('lean');
    expect(lean.filter((op) => op === 'Cast')).toHaveLength(4);
    for (const [i, op] of lean.entries()) if (op === 'Cast') expect(lean[i + 1]).toMatch(/Gemm|MatMul/);
  });

  it('of which rows are taken are cast row by row', async () => {
    const rows = trace({ ids: { dtype: 'int32', shape: [2] } }, ({ ids }) => ({
      y: embedding(ids, cast(constant(weights[0]), 'float32')),
    }));
    const ids = Int32Array.of(729, 3);
    expect(await executedOps(rows, { ids }, { layout: 'lean' })).toEqual(['Gather', 'Cast']);
    const program = await compile(rows, { layout: 'lean' });
    const { y } = await program.run({ ids });
    // Adding zero turns -0 into 0: the float16 bits of the test have no -0.
    const expected = numbers(side * side, 1).map((v) => Math.round(v * 8) / 64 + 0);
    expect([...y]).toEqual([...expected.subarray(729 * side), ...expected.subarray(3 * side, 4 * side)]);
  });

  it('give the same numbers either way', async () => {
    const [fast, lean] = await Promise.all(
      (['fast', 'lean'] as const).map(async (layout) => (await compile(graph(), { layout })).run(inputs)),
    );
    expect(lean.loss[0]).toBeCloseTo(Number(fast.loss[0]), 3);
    lean.dx.forEach((value, i) => {
      expect(value).toBeCloseTo(Number(fast.dx[i]), 3);
    });
  });
});

describe('running', () => {
  const graph = trace({ x: { shape: [2, 2] }, ids: { dtype: 'int32', shape: [1] } }, ({ x }) => ({
    y: exp(x),
    same: x,
    again: x,
  }));
  const given = { x: Float32Array.of(0, 0, 0, 0), ids: Int32Array.of(0) };

  it('an input may be an output, and a tensor two', async () => {
    const program = await compile(graph);
    const { y, same, again } = await program.run({ ...given, x: Float32Array.of(0, 1, 2, 3) });
    expect([...same]).toEqual([0, 1, 2, 3]);
    expect(again).toEqual(same);
    expect(y[0]).toBe(1);
  });

  it('writes into the arrays it is given', async () => {
    const program = await compile(graph);
    const y = new Float32Array(4);
    const results = await program.run(given, { y });
    expect(results.y).toBe(y);
    expect([...y]).toEqual([1, 1, 1, 1]);
  });

  it('says what is wrong with its inputs', async () => {
    const program = await compile(graph);
    const cases: [Record<string, unknown>, Record<string, unknown>, string][] = [
      [{ ids: given.ids }, {}, 'Program.run: input "x" float32[2,2] is missing'],
      [{ ...given, x: new Float32Array(3) }, {}, 'input "x" needs 4 elements [2,2], got 3'],
      [
        { ...given, x: new Float64Array(4) },
        {},
        'input "x" needs a Float32Array for float32[2,2], got Float64Array',
      ],
      [{ ...given, x: [0, 0, 0, 0] }, {}, 'input "x" needs a Float32Array for float32[2,2], got Array'],
      [given, { y: new Float32Array(5) }, 'output "y" needs 4 elements [2,2], got 5'],
      [given, { z: new Float32Array(4) }, 'there is no output "z" to write; there are y, same, again'],
    ];
    for (const [inputs, into, message] of cases) {
      await expect(program.run(inputs as never, into as never)).rejects.toThrow(message);
    }
  });

  it('ends with dispose', async () => {
    const program = await compile(graph);
    await program.dispose();
    await program.dispose();
    await expect(program.run(given)).rejects.toThrow('Program.run: the program was disposed');
  });

  it('knows which devices there are', async () => {
    await expect(compile(graph, { device: 'abacus' as never })).rejects.toThrow(
      'compile: no such device, got "abacus"; there are cuda, webgpu, cpu',
    );
  });
});

it('inputs declared inside a trace join the others, once', async () => {
  const graph = trace({ x: { shape: [2] } }, ({ x }) => ({ y: add(x, input('bias', [2])) }));
  const program = await compile(graph);
  const { y } = await program.run({ x: Float32Array.of(1, 2), bias: Float32Array.of(10, 20) });
  expect([...y]).toEqual([11, 22]);
  expect(() => trace({ x: { shape: [2] } }, () => ({ y: input('x', [2]) }))).toThrow(
    'trace: input "x" is declared twice',
  );
});

/** The bits of a float16 for numbers that it holds exactly. */
function toHalf(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = Math.round((Math.abs(value) / 2 ** exponent - 1) * 1024);
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
}
