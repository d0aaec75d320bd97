/** @file Ops that are lowered to other nodes on the CPU: the same numbers, by the expected nodes. */
import { cast, compile, constant, convTranspose2d, trace } from '@sgool/autodiff';
import { expect, it } from 'vitest';
import { numbers } from '../testing/finite-differences.ts';
import { executedOps } from '../testing/profile.ts';

type Options = Parameters<typeof convTranspose2d>[3];

const kernel = [384, 160, 3, 3];
const data = numbers(384 * 160 * 9, 1);

/** With the weight as a constant, which large ones are replaced for, or as an input, which is left as it is. */
const transposed = (shape: readonly number[], options: Options, isConstant: boolean) =>
  isConstant
    ? trace({ x: { shape } }, ({ x }) => ({
        y: convTranspose2d(x, constant({ dtype: 'float32', shape: kernel, data }), undefined, options),
      }))
    : trace({ x: { shape }, w: { shape: kernel } }, ({ x, w }) => ({
        y: convTranspose2d(x, w, undefined, options),
      }));

it.each<[string, number[], Options]>([
  ['few positions', [2, 384, 4, 4], { padding: 1 }],
  ['many positions', [2, 384, 9, 5], { padding: 1 }],
  ['stride 2, padding of the end only', [1, 384, 5, 4], { stride: 2, padding: [0, 0, 1, 1] }],
  ['stride 2, a row and a column more', [3, 384, 6, 5], { stride: 2, padding: 1, outputPadding: 1 }],
  ['dilation', [1, 384, 9, 8], { dilation: 2, padding: 2 }],
])(
  'a transposed convolution by a large constant, %s, adds up columns of one product',
  async (_, shape, options) => {
    const x = numbers(
      shape.reduce((product, length) => product * length),
      2,
    );
    const ops = async (isConstant: boolean) =>
      (await executedOps(transposed(shape, options, isConstant), { x, w: data }, { layout: 'lean' })).filter(
        (op) => /Conv|Gemm|MatMul|Col2Im/.test(op),
      );
    expect(await ops(true)).toEqual([expect.stringMatching(/Gemm|MatMul/), 'Col2Im']);
    expect(await ops(false)).toEqual(['ConvTranspose']);

    const [replaced, plain] = await Promise.all(
      [true, false].map(async (isConstant) => {
        const program = await compile(transposed(shape, options, isConstant), { layout: 'lean' });
        const { y } = await program.run({ x, w: data });
        await program.dispose();
        return y as Float32Array;
      }),
    );
    const largest = Math.max(...plain.map(Math.abs));
    const off = Math.max(...plain.map((value, i) => Math.abs(value - replaced[i])));
    expect(off / largest).toBeLessThan(1e-5);
  },
);

it('its weight of half precision is cast right before the product', async () => {
  const half = { dtype: 'float16', shape: kernel, data: new Uint16Array(data.length).fill(0x3c00) } as const;
  const graph = trace({ x: { shape: [1, 384, 3, 3] } }, ({ x }) => ({
    y: convTranspose2d(x, cast(constant(half), 'float32'), undefined, { padding: 1 }),
  }));
  const x = numbers(384 * 9, 2);
  const ops = await executedOps(graph, { x }, { layout: 'lean' });
  expect(ops.indexOf('Gemm')).toBe(ops.lastIndexOf('Cast') + 2);
  expect(ops).toContain('Col2Im');
});
