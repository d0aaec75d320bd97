/**
 * @file Runs a program in half precision: chooses the scale of its backward pass and reports overflow.
 *
 * Reference: Micikevicius et al. 2018, "Mixed Precision Training", section 3.2.
 */
import type { TypedArray } from '../graph/dtype.ts';
import type { Graph } from '../graph/trace.ts';
import { LOSS_SCALE } from '../passes/loss-scaling.ts';

/** A number beyond 65504, the largest of float16, appeared inside a program. */
export class OverflowError extends Error {
  override readonly name = 'OverflowError';
}

type Results = Record<string, TypedArray>;

/** The largest element of a cotangent after scaling, as an exponent of two: half way to overflow, since results may grow. */
const COTANGENT_EXPONENT = 10;
/** The same for a loss, whose cotangent only shrinks on the way to single numbers. */
const LOSS_EXPONENT = 16;
/** By which power of two the scale shrinks where gradients overflow, and how often that is tried. */
const STEP = 4;
const TRIES = 4;

/** The scale of one program. Where a run overflowed, the next begins with the scale that it ended with. */
export class LossScaler {
  private readonly backward: Graph['backward'];
  private readonly first: number;
  private exponent: number;

  constructor({ backward }: Graph) {
    this.backward = backward;
    this.first = backward?.input === undefined ? LOSS_EXPONENT : COTANGENT_EXPONENT;
    this.exponent = this.first;
  }

  /**
   * @param once runs the program with further inputs
   * @throws OverflowError where an output is not finite at every scale that was tried
   */
  async run(
    inputs: Readonly<Record<string, TypedArray>>,
    once: (more: Results) => Promise<Results>,
  ): Promise<Results> {
    const { input, gradients = [] } = this.backward ?? {};
    const largest = input === undefined ? 1 : largestOf(inputs[input] as Float32Array | undefined);
    // Near-zero cotangents would need a scale beyond float32.
    const size = largest > 0 && largest < Infinity ? Math.max(-100, Math.ceil(Math.log2(largest))) : 0;
    for (let attempt = 1; ; attempt++) {
      const scale = Float32Array.of(2 ** (this.exponent - size));
      const results = await once(this.backward ? { [LOSS_SCALE]: scale } : {});
      const broken = Object.keys(results).filter((name) => !allFinite(results[name]));
      if (broken.length === 0) return results;
      const isScaled = broken.every((name) => gradients.includes(name));
      if (!isScaled || attempt === TRIES) {
        this.exponent = this.first;
        const tried = isScaled ? ` with ${TRIES} scales of the gradient` : '';
        throw new OverflowError(`float16: numbers beyond 65504 in ${broken.join(', ')}${tried}`);
      }
      this.exponent -= STEP;
    }
  }
}

function largestOf(values: Float32Array = new Float32Array()): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/** Whether all numbers are finite. Types other than float32 hold integers here. */
function allFinite(values: TypedArray): boolean {
  return !(values instanceof Float32Array) || values.every(Number.isFinite);
}
