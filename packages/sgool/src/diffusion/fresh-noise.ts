/**
 * @file The noise that stochastic samplers add between steps, held fixed.
 *
 * An objective with new noise in every iteration is a new function each time, and its gradients descend none of them. So fresh
 * noise is drawn once, and a step gets the same numbers whenever the chain is run.
 */

/** Standard normal numbers for a step: the same at every call. */
export type FreshNoise = (step: number, length: number) => Float64Array;

/**
 * Draws the noise of all steps now, in their order.
 *
 * @param draw gives `count` standard normal numbers; with the generator that drew the starting noise, the chain has the noise
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
        `fixedNoise: no ${wanted} numbers for step ${step}; it holds ${length} for each of ${steps} steps`,
      );
    }
    return drawn[step];
  };
}

/** The `shift` of a stage that adds noise of a standard deviation; none where that is 0. */
export function scaledNoise(freshNoise: FreshNoise | undefined, step: number, deviation: number) {
  if (!(deviation > 0) || !freshNoise) return undefined;
  return (length: number) => freshNoise(step, length).map((value) => deviation * value);
}
