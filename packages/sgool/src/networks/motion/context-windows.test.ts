/** @file Windows over the frames of a clip. */
import { compile, mul, neg, type Tensor, trace } from '@sgool/autodiff';
import { expect, test } from 'vitest';
import { overWindows, windowWeights } from './context-windows.ts';

test('windows overlap by the stride, and weigh most in their middle', () => {
  const windows = windowWeights(8, { frames: 4, stride: 2 });
  expect(windows.map(({ start }) => start)).toEqual([0, 2, 4]);
  // Frame 2 is the third of the first window (weight 2) and the first of the second (weight 1).
  expect(windows[0].weights).toEqual([1, 1, 2 / 3, 1 / 3]);
  expect(windows[1].weights).toEqual([1 / 3, 2 / 3, 2 / 3, 1 / 3]);
});

test('the last window ends with the clip, and only what is behind the others counts', () => {
  const windows = windowWeights(9, { frames: 5, stride: 3 });
  expect(windows.map(({ start }) => start)).toEqual([0, 3, 4]);
  expect(windows[2].weights).toEqual([0, 0, 0, 0, 1]);
  for (const frames of [6, 7, 9, 13]) {
    const totals = new Float64Array(frames);
    for (const { start, weights } of windowWeights(frames, { frames: 5, stride: 2 })) {
      weights.forEach((weight, i) => {
        totals[start + i] += weight;
      });
    }
    for (const total of totals) expect(total).toBeCloseTo(1, 12);
  }
});

test('what is computed alone from each frame is the same over windows', async () => {
  const graph = trace({ x: { shape: [1, 7, 2, 3] } }, ({ x }) => ({
    y: overWindows(x, { frames: 4, stride: 2 }, (part) => mul(part, 3)),
  }));
  const program = await compile(graph);
  const x = Float32Array.from({ length: 42 }, (_, i) => i / 7);
  const { y } = await program.run({ x });
  await program.dispose();
  x.forEach((value, i) => {
    expect(y[i]).toBeCloseTo(3 * value, 5);
  });
});

test('a window waits for those before it, or all would be in memory at once', () => {
  const graph = trace({ x: { shape: [1, 8, 2, 3] } }, ({ x }) => ({
    y: overWindows(x, { frames: 4, stride: 2 }, neg),
  }));
  const { nodes } = graph.trace;
  const makerOf = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const reached = (from: readonly (Tensor | null)[], all = new Set<Tensor>()): Set<Tensor> => {
    for (const t of from) {
      if (t === null || all.has(t)) continue;
      all.add(t);
      reached(makerOf.get(t)?.inputs ?? [], all);
    }
    return all;
  };
  const windows = nodes.filter(({ op }) => op === 'Neg');
  expect(windows).toHaveLength(3);
  for (const [k, { inputs }] of windows.entries()) {
    if (k > 0) expect(reached(inputs)).toContain(windows[k - 1].outputs[0]);
  }
});
