import { attention, compile, constant, grad, mul, sum, type Tensor, trace } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { expectGradient, numbers } from '../testing/finite-differences.ts';
import { expectCase, expectClose } from '../testing/fixtures.ts';
import { executedOps } from '../testing/profile.ts';

const shapes = { q: [2, 3, 5, 4], k: [2, 3, 6, 4], v: [2, 3, 6, 7] };
/** Bytes of one row and of one head of probabilities. */
const ROW = 4 * 6;
const HEAD = 5 * ROW;
const pieces: [what: string, pieceBytes: number][] = [
  ['one row', ROW],
  ['two rows of five', 2 * ROW],
  ['one head', HEAD],
  ['four heads of six', 4 * HEAD],
];

describe.each(pieces)('probabilities in pieces of %s', (_, pieceBytes) => {
  it('give the output and gradients of PyTorch', async () => {
    await expectCase('attention', ({ q, k, v }) => attention(q, k, v, { pieceBytes }));
    await expectCase('attention.scaled', ({ q, k, v }) => attention(q, k, v, { scale: 0.3, pieceBytes }));
  });

  it('have second derivatives', async () => {
    const op = ({ q, k, v }: Record<string, Tensor>) => attention(q, k, v, { pieceBytes });
    await expectGradient(shapes, op, { seed: 4, twice: true });
  });
});

it('a mask keeps the probabilities whole', async () => {
  await expectCase('attention.masked', ({ q, k, v, mask }) =>
    attention(q, k, v, { mask: mask, pieceBytes: ROW }),
  );
});

it('a mask of the logarithm of a count is the same as that many equal keys', async () => {
  const graph = trace({ q: { shape: [1, 1, 3, 2] } }, ({ q }) => {
    const of = (...data: number[]) =>
      constant({ dtype: 'float32', shape: [1, 1, data.length / 2, 2], data: Float32Array.from(data) });
    const once = of(0.3, -1, 2, 0.5);
    const often = of(0.3, -1, 2, 0.5, 2, 0.5, 2, 0.5);
    const mask = constant({ dtype: 'float32', shape: [1, 1, 1, 2], data: Float32Array.of(0, Math.log(3)) });
    return { counted: attention(q, once, once, { mask }), repeated: attention(q, often, often) };
  });
  const program = await compile(graph);
  const { counted, repeated } = await program.run({ q: numbers(6, 4) });
  await program.dispose();
  expectClose(counted, repeated as Float32Array, 'counted', 1e-6);
});

it('pieces are computed one after the other', async () => {
  const graph = trace(
    { q: { shape: shapes.q }, k: { shape: shapes.k }, v: { shape: shapes.v } },
    ({ q, k, v }) => {
      const y = attention(q, k, v, { pieceBytes: HEAD });
      const [dq, dk, dv] = grad(sum(mul(y, y)), [q, k, v]);
      return { dq: dq, dk: dk, dv: dv };
    },
  );
  const inputs = { q: numbers(120, 1), k: numbers(144, 2), v: numbers(252, 3) };
  for (const layout of ['fast', 'lean'] as const) {
    const ops = await executedOps(graph, inputs, { layout });
    const scores = ops.filter((op) => ['Softmax', 'MatMul', 'FusedMatMul'].includes(op));
    const runs = scores
      .map((op) => (op === 'Softmax' ? 'S' : 'M'))
      .join('')
      .split('S');
    expect(runs).toHaveLength(7);
    // After each softmax the cotangents of p, q, k and v are done before the next piece's scores.
    for (const run of runs.slice(1, -1)) expect(run).toBe('MMMMM');
  }
});

it('the default piece leaves small attention as it was', async () => {
  const graph = trace({ q: { shape: shapes.q } }, ({ q }) => ({ y: attention(q, q, q) }));
  expect(await executedOps(graph, { q: numbers(120, 1) })).toContain('Softmax');
});
