/**
 * @file The generator that trainings draw their batches and first weights from. Scenes are drawn by `world/scene-generator.ts`,
 * noise for images by sgool's `Generator`.
 */

/** Each call gives the next number, uniform in [0, 1) with 32 bits of resolution. */
export type BatchGenerator = () => number;

/**
 * A generator for a seed. Neighbouring seeds give unrelated streams.
 *
 * Reference: sfc32 (Chris Doty-Humphrey, PractRand), seeded by splitmix32.
 *
 * @param seed its lower 32 bits count
 */
export function batchGenerator(seed: number): BatchGenerator {
  let s = seed >>> 0;
  const next = () => {
    s = (s + 0x9e3779b9) >>> 0;
    let z = s;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let [a, b, c, d] = [next(), next(), next(), next()] as [number, number, number, number];
  return () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 4294967296;
  };
}

/** One standard normal number. Reference: Box and Muller 1958, "A note on the generation of random normal deviates". */
export function normal(generator: BatchGenerator): number {
  return Math.sqrt(-2 * Math.log(1 - generator())) * Math.cos(2 * Math.PI * generator());
}

/** Fills an array with standard normal numbers, two from each draw of Box and Muller, and returns it. */
export function fillNormal(data: Float32Array, generator: BatchGenerator): Float32Array {
  for (let i = 0; i < data.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - generator()));
    const angle = 2 * Math.PI * generator();
    data[i] = radius * Math.cos(angle);
    if (i + 1 < data.length) data[i + 1] = radius * Math.sin(angle);
  }
  return data;
}

/** A whole number in [0, count). */
export function below(generator: BatchGenerator, count: number): number {
  return Math.floor(generator() * count);
}
