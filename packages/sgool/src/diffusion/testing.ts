/** @file Stand-in networks for tests: small, smooth, with a gradient written out. Not exported from the package. */
import { readFileSync } from 'node:fs';
import type { Denoiser } from './denoiser.ts';
import { createFlowPath } from './flow-path.ts';
import type { NoisePath, StepCoefficients } from './noise-path.ts';
import type { Latents, Sampler } from './sampler.ts';
import { createSchedule } from './schedule.ts';

/** Weights of `second · tanh(first · latent + timestep / 1000 · shift)`; matrices by rows. */
export interface TanhWeights {
  first: Float64Array;
  second: Float64Array;
  shift: Float64Array;
}

/**
 * A two-layer network as a denoiser.
 *
 * @param float32 rounds what goes in and what comes out to float32, as real networks do.
 */
export function tanhDenoiser({ first, second, shift }: TanhWeights, { float32 = false } = {}): Denoiser {
  const size = shift.length;
  const cast = (values: Float64Array) => (float32 ? values.map(Math.fround) : values);
  const hidden = (latent: Float64Array, timestep: number) =>
    multiply(first, cast(latent)).map((value, i) => Math.tanh(value + (timestep / 1000) * shift[i]));
  const evaluations = { forward: 0, pullback: 0 };
  return {
    latentShape: [1, size],
    predicts: 'noise',
    evaluations,
    async predict(latent, timestep) {
      evaluations.forward++;
      return cast(multiply(second, hidden(latent, timestep)));
    },
    async pullback(latent, timestep, cotangent) {
      evaluations.pullback++;
      const active = hidden(latent, timestep);
      const back = multiplyTransposed(second, cotangent).map((value, i) => value * (1 - active[i] ** 2));
      return multiplyTransposed(first, back);
    },
  };
}

/** A mixture of normal distributions with one deviation, each as likely as the others. */
export interface Mixture {
  readonly means: readonly Float64Array[];
  readonly deviation: number;
}

/**
 * The velocity of the rectified flow of a mixture, `E[ε - x0 | z]`, in closed form:
 * `v = a·(z - (1-s)·M) - M`, M the mean of the means by how likely each is at z, and `a = (s - (1-s)·τ²) / ((1-s)²·τ² + s²)`.
 *
 * @param float32 rounds what goes in and what comes out to float32, as real networks do
 */
export function mixtureFlow({ means, deviation }: Mixture, { float32 = false } = {}): Denoiser {
  const size = means[0].length;
  const cast = (values: Float64Array) => (float32 ? values.map(Math.fround) : values);
  const at = (latent: Float64Array, s: number) => {
    const variance = ((1 - s) * deviation) ** 2 + s ** 2;
    const logs = means.map(
      (mean) => -latent.reduce((sum, value, i) => sum + (value - (1 - s) * mean[i]) ** 2, 0) / (2 * variance),
    );
    const largest = Math.max(...logs);
    const weights = logs.map((log) => Math.exp(log - largest));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const likely = weights.map((weight) => weight / total);
    const mean = latent.map((_, i) => means.reduce((sum, one, k) => sum + likely[k] * one[i], 0));
    return { likely, mean, variance, slope: (s - (1 - s) * deviation ** 2) / variance };
  };
  const evaluations = { forward: 0, pullback: 0 };
  return {
    latentShape: [size],
    predicts: 'velocity',
    evaluations,
    async predict(latent, timestep) {
      evaluations.forward++;
      const s = timestep / 1000;
      const seen = cast(latent);
      const { mean, slope } = at(seen, s);
      return cast(seen.map((value, i) => slope * (value - (1 - s) * mean[i]) - mean[i]));
    },
    async pullback(latent, timestep, cotangent) {
      evaluations.pullback++;
      const s = timestep / 1000;
      const { likely, mean, variance, slope } = at(cast(latent), s);
      const factor = ((1 + slope * (1 - s)) * (1 - s)) / variance;
      const along = means.map((one) =>
        one.reduce((sum, value, i) => sum + (value - mean[i]) * cotangent[i], 0),
      );
      return cotangent.map(
        (value, i) =>
          slope * value - factor * means.reduce((sum, one, k) => sum + likely[k] * along[k] * one[i], 0),
      );
    },
  };
}

/** Random weights of a size, the same for the same seed. */
export function randomWeights(size: number, seed = 1): TanhWeights {
  const scale = (count: number, factor: number) => randomNormal(count, seed++).map((value) => value * factor);
  return {
    first: scale(size * size, size ** -0.5),
    second: scale(size * size, size ** -0.5),
    shift: scale(size, 0.5),
  };
}

/** Standard normal numbers by Box-Muller over a small congruential generator: good enough for a test. */
export function randomNormal(count: number, seed = 1): Float64Array {
  let state = (seed * 2654435761) >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float64Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  });
}

/** Largest difference between two lists of numbers. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));
}

/** The tensors of a file in fixtures/data, all of them float64. */
export function readFixture(file = 'diffusion.safetensors'): (name: string) => Float64Array {
  const bytes = readFileSync(new URL(`../../../../fixtures/data/${file}`, import.meta.url));
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength));
  return (name) => {
    const [begin, end] = header[name].data_offsets.map((offset: number) => offset + 8 + headerLength);
    return new Float64Array(
      bytes.buffer.slice(bytes.byteOffset + begin, bytes.byteOffset + end) as ArrayBuffer,
    );
  };
}

function multiply(matrix: Float64Array, vector: Float64Array): Float64Array {
  const size = vector.length;
  return Float64Array.from({ length: matrix.length / size }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += matrix[row * size + i] * vector[i];
    return sum;
  });
}

function multiplyTransposed(matrix: Float64Array, vector: Float64Array): Float64Array {
  const out = new Float64Array(matrix.length / vector.length);
  vector.forEach((value, row) => {
    for (let i = 0; i < out.length; i++) out[i] += matrix[row * out.length + i] * value;
  });
  return out;
}

/** Stable Diffusion's schedule. */
export const stableSchedule = () =>
  createSchedule({
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    steps_offset: 1,
    set_alpha_to_one: false,
  });

/** The state after step `index` of a sampler, from the one before it. */
export async function runStep(sampler: Sampler, state: Latents, index: number, denoiser: Denoiser) {
  let current = state;
  for (const stage of sampler.stages) {
    if (stage.step === index) current = await stage.run(current, denoiser);
  }
  return current;
}

/** z = (1 - s)·x0 + s·ε; the network predicts the velocity ε - x0 and gets 1000·s. A level is s, in even steps. */
export const rectifiedFlow: NoisePath = createFlowPath({}, 256, { sigmas: 'even' });

/** A step from its definition: the predicted clean latent and noise, put together again at the next level. */
export function composedStep(path: NoisePath, from: number, to: number, eta: number): StepCoefficients {
  const [clean, noise] = [path.cleanLatent(from), path.noisePart(from)];
  const [signal, spread] = [path.signal(to), path.noise(to)];
  const ratio = (spread / signal) * (path.signal(from) / path.noise(from));
  const freshNoise = eta * spread * Math.sqrt(1 - ratio ** 2);
  const kept = Math.sqrt(spread ** 2 - freshNoise ** 2);
  return {
    latent: signal * clean.latent + kept * noise.latent,
    prediction: signal * clean.prediction + kept * noise.prediction,
    freshNoise,
  };
}
