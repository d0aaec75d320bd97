import {
  add,
  type CheckpointOptions,
  cast,
  checkpoint,
  compile,
  erf,
  grad,
  matmul,
  mul,
  sin,
  square,
  sum,
  type Tensor,
  tanh,
  trace,
} from '@sgool/autodiff';
import { expect, it } from 'vitest';
import { numbers } from '../testing/finite-differences.ts';
import { executedOps } from '../testing/profile.ts';

const SHAPE = [3, 3];
type Wrap = <A extends readonly Tensor[]>(fn: (...inputs: A) => Tensor) => (...inputs: A) => Tensor;
const kept: Wrap = (fn) => fn;
/** As `checkpoint`, in two pieces of unequal length. */
const inPieces: Wrap = (fn) => checkpoint(fn, { pieces: 2 });

/** Three blocks that differ in their ops, each with a weight from outside. */
function threeBlocks(wrap: Wrap) {
  return trace({ x: { shape: SHAPE }, w: { shape: SHAPE } }, ({ x, w }) => {
    const first = wrap((t: Tensor) => square(sin(matmul(t, w))));
    const second = wrap((t: Tensor) => square(erf(matmul(t, w))));
    const third = wrap((t: Tensor) => square(tanh(matmul(t, w))));
    const loss = sum(square(third(second(first(x)))));
    const [dx, dw] = grad(loss, [x, w]);
    return { loss, dx: dx, dw: dw };
  });
}

const inputs = { x: numbers(9, 1), w: numbers(9, 2) };
const scores = (ops: readonly string[]) => ops.filter((op) => ['Sin', 'Erf', 'Tanh'].includes(op));

it('gives the gradients that keeping the activations gives, those of captured weights too', async () => {
  const [plain, again] = await Promise.all([compile(threeBlocks(kept)), compile(threeBlocks(checkpoint))]);
  const [want, got] = [await plain.run(inputs), await again.run(inputs)];
  expect(got).toEqual(want);
  expect(want.dw.some((g) => Number(g) !== 0)).toBe(true);
});

it.each(['fast', 'lean'] as const)(
  'computes each block again, last block first (%s layout)',
  async (layout) => {
    expect(scores(await executedOps(threeBlocks(kept), inputs, { layout }))).toEqual(['Sin', 'Erf', 'Tanh']);
    // Each recomputation waits for the cotangent of its block, so it starts after the backward pass of the next block.
    expect(scores(await executedOps(threeBlocks(checkpoint), inputs, { layout }))).toEqual([
      'Sin',
      'Erf',
      'Tanh',
      'Tanh',
      'Erf',
      'Sin',
    ]);
  },
);

it('a NaN in the cotangent stays where it is', async () => {
  const graph = trace({ x: { shape: [4] }, cotangent: { shape: [4] } }, ({ x, cotangent }) => {
    const y = checkpoint((t: Tensor) => square(sin(t)))(x);
    return { dx: grad(y, [x], { cotangent })[0] };
  });
  const program = await compile(graph);
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const { dx } = await program.run({ x: numbers(4, 3), cotangent: Float32Array.of(bad, 1, 1, 1) });
    expect([...dx].map((g) => Number.isFinite(Number(g)))).toEqual([false, true, true, true]);
  }
});

it('blocks may take integers and hold further blocks', async () => {
  const build = (wrap: Wrap) =>
    trace({ x: { shape: [4] }, n: { dtype: 'int32', shape: [4] } }, ({ x, n }) => {
      const inner = wrap((t: Tensor) => sin(mul(t, t)));
      const outer = wrap((t: Tensor, counts: Tensor) => mul(inner(t), cast(counts, 'float32')));
      return { dx: grad(sum(square(outer(x, n))), [x])[0] };
    });
  const given = { x: numbers(4, 5), n: Int32Array.of(1, 2, 3, 4) };
  const [plain, again] = await Promise.all([compile(build(kept)), compile(build(checkpoint))]);
  expect(await again.run(given)).toEqual(await plain.run(given));
});

it('the gradient of a checkpointed gradient is that of the plain one', async () => {
  const build = (wrap: Wrap) =>
    trace({ x: { shape: [4] } }, ({ x }) => {
      const block = wrap((t: Tensor) => mul(sin(t), t));
      const [dx] = grad(sum(square(block(x))), [x]);
      return { second: grad(sum(square(add(dx, x))), [x])[0] };
    });
  const given = { x: numbers(4, 7) };
  const [plain, again] = await Promise.all([compile(build(kept)), compile(build(checkpoint))]);
  const [want, got] = [await plain.run(given), await again.run(given)];
  got.second.forEach((value, i) => {
    expect(value).toBeCloseTo(Number(want.second[i]), 4);
  });
});

it('in pieces, values and gradients are those of the whole, those of captured weights too', async () => {
  const [plain, pieces] = await Promise.all([compile(threeBlocks(kept)), compile(threeBlocks(inPieces))]);
  const [want, got] = [await plain.run(inputs), await pieces.run(inputs)];
  for (const name of ['loss', 'dx', 'dw']) {
    got[name].forEach((value, i) => {
      expect(value, `${name} ${i}`).toBeCloseTo(Number(want[name][i]), 5);
    });
  }
});

it('cuts several inputs along any axis, and joins the results along it', async () => {
  const build = (options: CheckpointOptions) =>
    trace({ x: { shape: [2, 3] }, y: { shape: [1, 3] } }, ({ x, y }) => {
      const out = checkpoint((a: Tensor, b: Tensor) => mul(sin(a), b), options)(x, y);
      const [dx, dy] = grad(sum(square(out)), [x, y]);
      return { out, dx, dy };
    });
  const given = { x: numbers(6, 1), y: numbers(3, 2) };
  const [whole, cut] = await Promise.all([compile(build({})), compile(build({ pieces: 3, axis: 1 }))]);
  expect(await cut.run(given)).toEqual(await whole.run(given));
  expect(() => build({ pieces: 4, axis: 1 })).toThrow('4 pieces do not fit axis 1 of [2,3], [1,3]');
  expect(() => build({ pieces: 2 })).toThrow('2 pieces do not fit axis 0 of [2,3], [1,3]');
});

it.each(['fast', 'lean'] as const)('computes one piece after the other (%s layout)', async (layout) => {
  const graph = trace({ x: { shape: SHAPE } }, ({ x }) => {
    const y = checkpoint((t: Tensor) => tanh(erf(sin(t))), { pieces: 3 })(x);
    return { y, dx: grad(sum(square(y)), [x])[0] };
  });
  const order = scores(await executedOps(graph, { x: inputs.x }, { layout }));
  const forward = ['Sin', 'Erf', 'Tanh'];
  expect(order.slice(0, 9)).toEqual([...forward, ...forward, ...forward]);
  // Each piece is computed again when the gradient of the piece before is done.
  expect(order.slice(9)).toEqual([...forward, ...forward, ...forward]);
});

it('each piece needs the one before, so that no runtime can hold several at once', () => {
  const { trace: record } = trace({ x: { shape: SHAPE } }, ({ x }) => {
    const y = checkpoint((t: Tensor) => tanh(sin(t)), { pieces: 3 })(x);
    return { dx: grad(sum(square(y)), [x])[0] };
  });
  const makers = new Map(record.nodes.flatMap((node) => node.outputs.map((t) => [t, node] as const)));
  const needs = (node: (typeof record.nodes)[number], other: typeof node): boolean => {
    const inputs = node.inputs.flatMap((t) => (t ? (makers.get(t) ?? []) : []));
    return inputs.some((maker) => maker === other || needs(maker, other));
  };
  const sines = record.nodes.filter(({ op }) => op === 'Sin');
  expect(sines).toHaveLength(6);
  const [first, second, third, firstAgain, secondAgain, thirdAgain] = sines;
  for (const [later, earlier] of [
    [second, first],
    [third, second],
    [secondAgain, firstAgain],
    [thirdAgain, secondAgain],
  ]) {
    expect(needs(later, earlier)).toBe(true);
  }
});
