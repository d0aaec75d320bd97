/**
 * @file Rescaled guidance: the guided prediction g is scaled to the standard deviation of the one for the prompt alone, p, and
 * mixed with itself.
 *
 *     r = (φ·std(p)/std(g) + 1 - φ)·g
 *
 * Reference: Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", equations 14 to 16; as
 * `rescale_noise_cfg` of diffusers, with the unbiased deviation.
 */

/** Mean and unbiased standard deviation. */
function moments(values: Float32Array): { mean: number; deviation: number } {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}

/** The rescaled prediction. @param phi 0 to 1 */
export function rescaledGuidance(guided: Float32Array, prompted: Float32Array, phi: number): Float32Array {
  const factor = (phi * moments(prompted).deviation) / moments(guided).deviation + 1 - phi;
  return guided.map((value) => factor * value);
}

/** The cotangents of both predictions, from that of the rescaled one. */
export function rescaledCotangents(
  guided: Float32Array,
  prompted: Float32Array,
  phi: number,
  cotangent: Float64Array,
): { ofGuided: Float64Array; ofPrompt: Float64Array } {
  const [g, p] = [moments(guided), moments(prompted)];
  const ratio = p.deviation / g.deviation;
  let along = 0;
  for (let i = 0; i < guided.length; i++) along += cotangent[i] * guided[i];
  // d std(v) / dv_i = (v_i - mean) / ((n - 1)·std)
  const slope = (values: Float32Array, { mean, deviation }: { mean: number; deviation: number }, i: number) =>
    (values[i] - mean) / ((values.length - 1) * deviation);
  const factor = phi * ratio + 1 - phi;
  return {
    ofGuided: cotangent.map(
      (value, i) => factor * value - (phi * along * ratio * slope(guided, g, i)) / g.deviation,
    ),
    ofPrompt: cotangent.map((_, i) => (phi * along * slope(prompted, p, i)) / g.deviation),
  };
}
