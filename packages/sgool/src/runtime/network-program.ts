/**
 * @file Compiled networks. This is the only place of the library that compiles one, so no number leaves a network unchecked:
 * `network-program.test.ts` holds that.
 */
import {
  type Arrays,
  type CompileOptions,
  compile,
  type Graph,
  OverflowError,
  type Program,
  type TypedArray,
} from '@sgool/autodiff';
import { NotFiniteError } from '../errors.ts';
import { damagedWeight, mappedWeights } from './damaged-weight.ts';

/** What users of a compiled network need of it. */
export interface NetworkProgram extends Pick<Program, 'dispose'> {
  /**
   * Runs the network once.
   *
   * @throws NotFiniteError where an output holds NaN or an infinity, or an input what float32 cannot square: the network, the timestep
   * if it has one, the output or input, and the weight that is damaged
   */
  run(...inputs: Parameters<Program['run']>): ReturnType<Program['run']>;
}

/**
 * Compiles a network whose outputs are checked each time that it runs.
 *
 * @param name of the network, for messages
 * @throws as `compile` of @sgool/autodiff does
 */
export async function compileNetwork(
  name: string,
  graph: Graph,
  options: CompileOptions = {},
): Promise<NetworkProgram> {
  const program = await compile(graph, options);
  const weights = mappedWeights(graph);
  const damage = () => damagedWeight(weights, options.precision ?? 'float32', name);
  return {
    async run(inputs, into) {
      for (const [input, values] of Object.entries<TypedArray>(inputs)) {
        if (!squaresFinite(values)) throw tooLarge(placeOf(name, inputs), input, values);
      }
      const results = await program.run(inputs, into).catch(async (error: unknown) => {
        throw error instanceof OverflowError ? overflow(placeOf(name, inputs), error, await damage()) : error;
      });
      for (const [output, values] of Object.entries(results)) {
        if (!allFinite(values)) throw notFinite(placeOf(name, inputs), output, values, await damage());
      }
      return results;
    },
    dispose: () => program.dispose(),
  };
}

/**
 * Whether all numbers are finite. Types other than float32 hold integers here. A sum of zeros is several times faster than a
 * question for each number: zero times a finite number is zero, times any other it is NaN.
 */
export function allFinite(values: TypedArray): boolean {
  if (!(values instanceof Float32Array)) return true;
  let zero = 0;
  for (let i = 0; i < values.length; i++) zero += values[i] * 0;
  return zero === 0;
}

function placeOf(name: string, inputs: Arrays): string {
  const { timestep } = inputs as Readonly<Partial<Record<string, TypedArray>>>;
  return timestep === undefined ? name : `${name} at timestep ${timestep[0]}`;
}

/**
 * Whether all numbers can be squared in float32. The norms of a network square what they get: beyond 1.8e19 that is an infinity,
 * which they divide by, and what leaves the network is finite and says nothing.
 */
export function squaresFinite(values: TypedArray): boolean {
  if (!(values instanceof Float32Array)) return true;
  let zero = 0;
  for (let i = 0; i < values.length; i++) zero += Math.fround(values[i] * values[i]) * 0;
  return zero === 0;
}

function tooLarge(place: string, input: string, values: TypedArray): NotFiniteError {
  const bad = [...(values as Float32Array)].find((value) => !Number.isFinite(Math.fround(value * value)));
  return new NotFiniteError(
    `${place}: its input ${input} holds ${bad?.toPrecision(3)}, too much for float32; a setting is far too large or too small, or the network before it is damaged`,
  );
}

function notFinite(
  place: string,
  output: string,
  values: TypedArray,
  damage = 'its weights or its configuration are damaged, or a setting is far too large or too small',
): NotFiniteError {
  const numbers = [...(values as Float32Array)];
  const bad = numbers.filter((value) => !Number.isFinite(value));
  return new NotFiniteError(
    `${place}: its output ${output} holds ${bad[0]}, ${bad.length} of ${numbers.length} numbers are not finite; ${damage}`,
  );
}

/** An overflow of float16 with its cause, or what helps. */
function overflow(
  place: string,
  cause: OverflowError,
  damage = `${cause.message}; take precision float32, or less guidance where it is high`,
): NotFiniteError {
  return new NotFiniteError(`${place}: ${damage}`, { cause });
}
