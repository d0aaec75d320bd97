/** @file Runs ops on the stored numbers of fixtures/make/ops.py and compares the results with PyTorch's. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { add, compile, grad, mul, sum, type Tensor, type TypedArray, trace } from '@sgool/autodiff';
import { expect } from 'vitest';
import { hasHalf, testDevice, untestable } from './test-device.ts';

export interface Stored {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int64';
  readonly data: Float32Array | BigInt64Array;
}

const DATA = new URL('../../../../fixtures/data/', import.meta.url);

/** Reads our own fixture files. The reader that guards against hostile files is in the package sgool. */
function readAll(file: string): Map<string, Stored> {
  const known = files.get(file);
  if (known) return known;
  const bytes = readFileSync(fileURLToPath(new URL(`${file}.safetensors`, DATA)));
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const all = new Map<string, Stored>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    const [from, to] = data_offsets.map((n) => n + 8 + headerLength) as [number, number];
    const { buffer } = new Uint8Array(bytes.subarray(from, to));
    all.set(
      name,
      dtype === 'I64'
        ? { shape, dtype: 'int64', data: new BigInt64Array(buffer) }
        : { shape, dtype: 'float32', data: new Float32Array(buffer) },
    );
  }
  files.set(file, all);
  return all;
}

const files = new Map<string, Map<string, Stored>>();

/** The stored tensor called `name`, e.g. `conv2d.plain/in:x`. */
export function stored(name: string, file = 'ops'): Stored {
  const tensor = readAll(file).get(name);
  if (!tensor) throw new Error(`fixtures: no "${name}" in ${file}.safetensors; see fixtures/make`);
  return tensor;
}

/** The tensors of a case and kind (`in`, `out`, `cot`, `grad`) by their own names. */
export function part(name: string, kind: string): Record<string, Stored> {
  const prefix = `${name}/${kind}:`;
  return Object.fromEntries(
    [...readAll('ops')].flatMap(([key, t]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), t]] : [],
    ),
  );
}

/** Fails unless `got` equals `want` to `tolerance`, relative to the largest wanted magnitude (at least 1e-3). */
export function expectClose(got: TypedArray, want: ArrayLike<number>, what: string, tolerance = 1e-5): void {
  expect(got.length, `${what}: length`).toBe(want.length);
  let scale = 1e-3;
  for (let i = 0; i < want.length; i++) scale = Math.max(scale, Math.abs(want[i]));
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs(Number(got[i]) - want[i]);
    if (!(error <= tolerance * scale)) {
      expect.fail(`${what}[${i}]: got ${got[i]}, want ${want[i]} (scale ${scale}, tolerance ${tolerance})`);
    }
  }
}

export type Op = (inputs: Record<string, Tensor>) => Tensor | Record<string, Tensor>;

/** Cases that a device has no kernel for: scattering, which only the gradients of gather and max pooling need. */
const WITHOUT_KERNEL = { cpu: /^$/, cuda: /^$/, webgpu: /^(maxPool2d|embedding$|gather\.)/ };

/**
 * Runs an op on the inputs of a case and compares its outputs, and the gradients of sum(output * cotangent), with the
 * stored ones.
 */
export async function expectCase(name: string, op: Op, tolerance = 1e-5): Promise<void> {
  const inputs = part(name, 'in');
  const cotangents = part(name, 'cot');
  const gradients = part(name, 'grad');
  const specs = Object.fromEntries([
    ...Object.entries(inputs).map(([k, { dtype, shape }]) => [k, { dtype, shape }]),
    ...Object.entries(cotangents).map(([k, { shape }]) => [`cot:${k}`, { shape }]),
  ]) as Record<string, { shape: readonly number[] }>;
  const graph = trace(specs, (given) => {
    const result = op(given);
    const outputs = 'trace' in result ? { y: result as Tensor } : (result as Record<string, Tensor>);
    const names = Object.keys(gradients);
    const wrt = names.map((k) => given[k]);
    const totals = Object.entries(outputs).map(([k, y]) => sum(mul(y, given[`cot:${k}`])));
    const found = grad(
      totals.reduce((a, b) => add(a, b)),
      wrt,
    );
    return {
      ...Object.fromEntries(Object.entries(outputs).map(([k, y]) => [`out:${k}`, y])),
      ...Object.fromEntries(names.map((k, i) => [`grad:${k}`, found[i]])),
    };
  });
  if (untestable) throw new Error(untestable);
  if (name === 'cast' && !hasHalf) return;
  const compiled = compile(graph, { threads: 1, device: testDevice });
  if (WITHOUT_KERNEL[testDevice].test(name)) {
    await expect(compiled, name).rejects.toThrow(`compile: device ${testDevice} has no kernel`);
    return;
  }
  const program = await compiled;
  try {
    const results = await program.run(
      Object.fromEntries([
        ...Object.entries(inputs).map(([k, t]) => [k, t.data]),
        ...Object.entries(cotangents).map(([k, t]) => [`cot:${k}`, t.data]),
      ]),
    );
    for (const [k, want] of Object.entries(part(name, 'out'))) {
      expect(graph.outputs.get(`out:${k}`)?.shape, `${name}: shape of ${k}`).toEqual(want.shape);
      expectClose(results[`out:${k}`], want.data as Float32Array, `${name}: ${k}`, tolerance);
    }
    for (const [k, want] of Object.entries(gradients)) {
      expectClose(results[`grad:${k}`], want.data as Float32Array, `${name}: gradient of ${k}`, tolerance);
    }
  } finally {
    await program.dispose();
  }
}
