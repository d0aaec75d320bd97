/** Three optimiser steps against PyTorch's own (fixtures/make/ops.py); relative tolerance 1e-5, float32 rounding. */
import {
  type AdamWOptions,
  adamW,
  clipByGlobalNorm,
  compile,
  exponentialMovingAverage,
  type MuonOptions,
  muon,
  type Program,
  scalar,
  type TypedArray,
  trace,
  zerosLike,
} from '@sgool/autodiff';
import { afterEach, describe, expect, it } from 'vitest';
import { expectClose, stored } from '../testing/fixtures.ts';

let program: Program | undefined;
afterEach(async () => program?.dispose());

const floats = (name: string) => stored(name).data as Float32Array;
const rows = (name: string) => {
  const { shape, data } = stored(name);
  const width = data.length / shape[0];
  return Array.from({ length: shape[0] }, (_, i) => (data as Float32Array).slice(i * width, (i + 1) * width));
};

describe('adamW', () => {
  const cases: [string, AdamWOptions, number][] = [
    ['adamW', { weightDecay: 0.1 }, 0.03],
    ['adamW.options', { beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weightDecay: 0 }, 0.02],
  ];
  it.each(cases)('%s takes the steps of torch.optim.AdamW', async (name, options, rate) => {
    const start = floats(`${name}/in:start`);
    const shape = [start.length];
    const graph = trace(
      {
        parameters: { shape },
        first: { shape },
        second: { shape },
        gradient: { shape },
        rate: { shape: [] },
        correction1: { shape: [] },
        correction2: { shape: [] },
      },
      ({ gradient, rate: learningRate, correction1, correction2, ...state }) => ({
        ...adamW(state, gradient, learningRate, correction1, correction2, options),
      }),
    );
    program = await compile(graph, { threads: 1 });
    const { beta1 = 0.9, beta2 = 0.999 } = options;
    let state = { parameters: start, first: start.slice().fill(0), second: start.slice().fill(0) };
    for (const [i, gradient] of rows(`${name}/in:gradients`).entries()) {
      state = (await program.run({
        ...state,
        gradient,
        rate: Float32Array.of(rate),
        correction1: Float32Array.of(1 - beta1 ** (i + 1)),
        correction2: Float32Array.of(1 - beta2 ** (i + 1)),
      })) as typeof state;
      expectClose(state.parameters, rows(`${name}/out:values`)[i], `parameters after step ${i + 1}`);
    }
    expectClose(state.first, floats(`${name}/out:first`), 'mean of gradients');
    expectClose(state.second, floats(`${name}/out:second`), 'mean of squared gradients');
  });

  it('a decay mask spares the elements where it is 0', async () => {
    const shape = [2];
    const graph = trace({ parameters: { shape }, mask: { shape } }, ({ parameters, mask }) => {
      const zeros = zerosLike(parameters);
      const state = { parameters, first: zeros, second: zeros };
      const options = { weightDecay: 0.5, decayMask: mask };
      const next = adamW(state, zeros, scalar(0.1), scalar(1), scalar(1), options);
      return { parameters: next.parameters };
    });
    program = await compile(graph, { threads: 1 });
    const { parameters } = await program.run({
      parameters: Float32Array.of(4, 4),
      mask: Float32Array.of(1, 0),
    });
    expectClose(parameters, [3.8, 4], 'parameters');
  });
});

describe('muon', () => {
  const cases: [string, MuonOptions, number][] = [
    ['muon.wide', { weightDecay: 0.1 }, 0.02],
    ['muon.tall', { momentum: 0.9, weightDecay: 0 }, 0.03],
  ];
  it.each(cases)(
    '%s takes the steps of torch.optim.Muon, for each matrix of a stack',
    async (name, options, rate) => {
      const { shape: one } = stored(`${name}/in:start`);
      const shape = [2, ...one];
      const graph = trace(
        { parameters: { shape }, momentum: { shape }, gradient: { shape }, rate: { shape: [] } },
        ({ parameters, momentum, gradient, rate: learningRate }) => ({
          ...muon({ parameters, momentum }, gradient, learningRate, options),
        }),
      );
      program = await compile(graph, { threads: 1 });
      // The second matrix gets gradients of twice the norm, which must not change Muon's step.
      const stacked = (a: Float32Array, factor = 1) => Float32Array.of(...a, ...a.map((v) => v * factor));
      const start = floats(`${name}/in:start`);
      let state = { parameters: stacked(start), momentum: stacked(start).fill(0) };
      for (const [i, gradient] of rows(`${name}/in:gradients`).entries()) {
        const rateNow = Float32Array.of(rate);
        state = (await program.run({
          ...state,
          gradient: stacked(gradient, 2),
          rate: rateNow,
        })) as typeof state;
        expectClose(
          state.parameters,
          stacked(rows(`${name}/out:values`)[i]),
          `parameters after step ${i + 1}`,
        );
      }
    },
  );

  it('tensors that are not stacks of matrices of one shape are refused', () => {
    const shape = [2, 3];
    expect(() =>
      trace({ w: { shape }, g: { shape } }, ({ w, g }) => ({
        ...muon({ parameters: w, momentum: w }, g, scalar(1)),
      })),
    ).toThrow(/muon: .*\[n, rows, columns\], got \[2,3\]/);
  });
});

it('the moving average equals torch.optim.swa_utils with get_ema_multi_avg_fn', async () => {
  const [start, ...later] = rows('ema/in:values');
  const shape = [start.length];
  const graph = trace(
    { average: { shape }, value: { shape }, decay: { shape: [] } },
    ({ average, value, decay }) => ({ average: exponentialMovingAverage(average, value, decay) }),
  );
  program = await compile(graph, { threads: 1 });
  let average: TypedArray = start;
  for (const value of later) {
    average = (await program.run({ average, value, decay: Float32Array.of(0.9) })).average;
  }
  expectClose(average, floats('ema/out:average'), 'average');
});

it.each(['clipNorm', 'clipNorm.small'])('%s equals torch.nn.utils.clip_grad_norm_', async (name) => {
  const [a, b] = ['g0', 'g1'].map((g) => stored(`${name}/in:${g}`)) as [
    ReturnType<typeof stored>,
    ReturnType<typeof stored>,
  ];
  const graph = trace({ g0: { shape: a.shape }, g1: { shape: b.shape } }, ({ g0, g1 }) => {
    const { clipped, norm } = clipByGlobalNorm([g0, g1], 1.5);
    return { g0: clipped[0], g1: clipped[1], norm };
  });
  program = await compile(graph, { threads: 1 });
  const results = await program.run({ g0: a.data, g1: b.data });
  for (const out of ['norm', 'g0', 'g1']) expectClose(results[out], floats(`${name}/out:${out}`), out);
});
