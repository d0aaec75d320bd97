/** @file For tests: compares a traced network with the numbers of PyTorch (fixtures/make/networks.py). */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import {
  add,
  type CompileOptions,
  compile,
  grad,
  mul,
  type Shape,
  sum,
  type Tensor,
  type TensorMap,
  trace,
  type Weights,
} from '@sgool/autodiff';
import { required, UserError } from '../errors.ts';
import { openSafetensors, readTypedTensor } from '../weights/formats/safetensors.ts';
import { type RenameTensor, weightSource } from '../weights/formats/weight-source.ts';
import { networkWeights } from './network-weights.ts';

export const FIXTURES = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../../fixtures/data/');

export interface NetworkFixture {
  readonly config: unknown;
  readonly weights: Weights;
  /** Names of stored inputs, outputs, cotangents and gradients. */
  readonly names: ReadonlySet<string>;
  shape(name: string): Shape;
  array(name: string): Promise<Float32Array | Int32Array>;
}

/** Opens `fixtures/data/networks-<name>.safetensors`. Tensors that are not weights have names that start with `prefix`. */
export async function openFixture(
  name: string,
  { rename, prefix = 'fixture/' }: { rename?: RenameTensor; prefix?: string } = {},
): Promise<NetworkFixture> {
  const file = await openSafetensors(path.join(FIXTURES, `networks-${name}.safetensors`));
  return {
    config: JSON.parse(file.metadata.config ?? '{}'),
    weights: networkWeights(weightSource(file, rename)),
    names: new Set(
      [...file.tensors.keys()].filter((n) => n.startsWith(prefix)).map((n) => n.slice(prefix.length)),
    ),
    shape: (of) => required(file.tensors.get(prefix + of)).shape,
    array: async (of) => (await readTypedTensor(file, prefix + of)).data as Float32Array | Int32Array,
  };
}

/** Names and shapes of a published checkpoint, by the name of its table in a file of such tables. */
export async function readKeys(
  table: string,
  file: 'networks-keys' | 'networks-text-keys' = 'networks-keys',
): Promise<Map<string, Shape>> {
  const text = gunzipSync(await readFile(path.join(FIXTURES, `${file}.tsv.gz`))).toString();
  const rows = text.split('\n').map((line) => line.split('\t'));
  return new Map(
    rows
      .filter((row) => row[0] === table)
      .map(([, name, shape]) => [name, shape === 'scalar' ? [] : shape.split('x').map(Number)]),
  );
}

/** Largest absolute difference over the largest absolute expected value. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    // NaN must not count as no difference.
    difference =
      Math.max(difference, Math.abs(actual[i] - expected[i])) ||
      (actual[i] === expected[i] ? difference : Number.NaN);
    size = Math.max(size, Math.abs(expected[i]));
  }
  return difference / size;
}

export interface ComparisonOptions extends CompileOptions {
  /** Runtime inputs; those that are float32 get a gradient where the fixture has one. */
  readonly inputs: readonly string[];
  /** Whether the stored gradients of weights are compared too. Default true. */
  readonly parameters?: boolean;
  readonly network: (inputs: Record<string, Tensor>, weights: Weights) => TensorMap;
}

/**
 * Traces the network with its gradients and gives the relative error of each output, of each stored
 * `gradient:<input>`, and of each stored `gradient:<weight>`.
 */
export async function compareWithFixture(
  fixture: NetworkFixture,
  { inputs, network, parameters = true, ...options }: ComparisonOptions,
): Promise<Record<string, number>> {
  const specs: Record<string, { shape: Shape; dtype: 'float32' | 'int32' }> = {};
  const feeds: Record<string, Float32Array | Int32Array> = {};
  const declare = async (name: string) => {
    feeds[name] = await fixture.array(name);
    specs[name] = {
      shape: fixture.shape(name),
      dtype: feeds[name] instanceof Int32Array ? 'int32' : 'float32',
    };
  };
  for (const name of inputs) await declare(name);
  for (const name of fixture.names) if (name.startsWith('cotangent:')) await declare(name);
  const asked = new Map<string, Tensor>();
  const weights: Weights = {
    has: (name) => fixture.weights.has(name),
    get(name, shape) {
      const tensor = asked.get(name) ?? fixture.weights.get(name, shape);
      asked.set(name, tensor);
      return tensor;
    },
  };
  const graph = trace(specs, (symbols) => {
    const outputs = network(symbols, weights);
    const wanted = [...fixture.names].filter((name) => {
      const of = name.startsWith('gradient:') ? name.slice('gradient:'.length) : '';
      return of in symbols || (parameters && asked.has(of));
    });
    const total = Object.entries(outputs)
      .map(([name, y]) => sum(mul(y, symbols[`cotangent:${name}`])))
      .reduce((a, b) => add(a, b));
    const targets = wanted.map((name) => {
      const of = name.slice('gradient:'.length);
      return symbols[of] ?? required(asked.get(of));
    });
    const gradients = grad(total, targets);
    return { ...outputs, ...Object.fromEntries(wanted.map((name, i) => [name, gradients[i]])) };
  });
  const program = await compile(graph, options);
  try {
    const results = await program.run(feeds);
    const errors: Record<string, number> = {};
    for (const [name, values] of Object.entries(results)) {
      errors[name] = relativeError(values as Float32Array, await fixture.array(name));
    }
    return errors;
  } finally {
    await program.dispose();
  }
}

/** The message of the UserError with which a configuration is refused: a single line. */
export function refusalOf(parse: (config: unknown) => unknown, config: unknown): string {
  try {
    parse(config);
  } catch (error) {
    if (error instanceof UserError && !error.message.includes('\n')) return error.message;
    throw error;
  }
  throw new Error(`the configuration ${JSON.stringify(config)} was accepted`);
}
