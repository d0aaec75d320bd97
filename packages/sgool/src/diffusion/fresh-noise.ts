/**
 * @file The noise that stochastic samplers add between steps, held fixed.
 *
 * An objective that draws new noise in every iteration is another function each time, and its gradient descends none of
 * them. So fresh noise is drawn once, and a step gets the same numbers whenever the chain is walked.
 */

/** Standard normal numbers for a step: the same ones whenever the same step asks. */
export type FreshNoise = (step: number, length: number) => Float64Array;

/**
 * Draws the noise of all steps now, in their order.
 *
 * @param draw so many standard normal numbers; pass the generator that drew the starting noise, and the chain has the noise
 *   that diffusers gives it for the same seed
 */
export function fixedNoise(
  steps: number,
  length: number,
  draw: (count: number) => ArrayLike<number>,
): FreshNoise {
  const drawn = Array.from({ length: steps }, () => Float64Array.from(draw(length)));
  return (step, wanted) => {
    if (step >= steps || wanted !== length) {
      throw new RangeError(
        `fixedNoise: asked for ${wanted} numbers of step ${step}; it holds ${length} for each of ${steps} steps`,
      );
    }
    return drawn[step];
  };
}

/** The `shift` of a step that adds noise of a standard deviation; none where that is 0. */
export function scaledNoise(freshNoise: FreshNoise | undefined, step: number, deviation: number) {
  if (!(deviation > 0) || !freshNoise) return undefined;
  return (length: number) => freshNoise(step, length).map((value) => deviation * value);
}
