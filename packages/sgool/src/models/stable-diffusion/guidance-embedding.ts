/** @file The guidance scale as an input of the network, for models that were distilled with it. */

/**
 * Sines, then cosines, of `1000·(guidanceScale - 1)` at `width / 2` frequencies from 1 down to 1/10000; an odd width ends in 0.
 *
 * Frequencies and angles are rounded to float32 as torch rounds them: angles are in the thousands, where a rounding shows.
 *
 * Reference: Luo et al. 2023, "Latent Consistency Models", section 4.3; diffusers, get_guidance_scale_embedding.
 */
export function guidanceEmbedding(guidanceScale: number, width: number): Float32Array {
  const half = Math.floor(width / 2);
  const exponent = Math.fround(Math.fround(Math.log(10_000)) / (half - 1));
  const strength = Math.fround(Math.fround(guidanceScale - 1) * 1000);
  const embedding = new Float32Array(width);
  for (let i = 0; i < half; i++) {
    const angle = Math.fround(strength * Math.fround(Math.exp(Math.fround(-exponent * i))));
    embedding[i] = Math.sin(angle);
    embedding[half + i] = Math.cos(angle);
  }
  return embedding;
}
