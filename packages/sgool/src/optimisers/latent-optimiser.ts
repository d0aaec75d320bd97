/**
 * @file How a gradient moves the starting noise.
 *
 * An optimiser is made for one run, because it remembers momentum, and it owns the sphere: noise of the wrong length is
 * noise that the network was not trained on.
 */
import type { Settings } from '../request/request.ts';
import { norm, renormalised, runningMean, tangent, turned, unit } from './sphere.ts';
import { lineSearchOptimiser, trustRegionOptimiser } from './sphere-search.ts';

export interface LatentOptimiser {
  readonly name: Settings['optimiser'];
  /**
   * Asked of each latent before its gradient is taken, where an optimiser looks at losses. The latent that it gives is tried
   * next, and this one stays without a gradient; if it gives none, `update` is called.
   */
  reconsider?(latent: Float64Array, loss: number): Float64Array | undefined;
  /**
   * The next latent. No argument is changed.
   *
   * @param gradient dL/dz. Where the sampler starts several copies of the latent (EDICT: two), the mean over the copies of
   *   the gradient of the loss summed over the results.
   * @param loss of this latent
   */
  update(latent: Float64Array, gradient: Float64Array, loss: number): Float64Array;
}

export interface LatentOptimiserOptions {
  /** Length that the latent keeps: that of the first noise. Without it the length is free. */
  readonly norm?: number;
  /** Standard normal numbers, for the perturbation. */
  readonly noise: (count: number) => ArrayLike<number>;
}

/** The optimiser that the settings name. */
export function latentOptimiser(settings: Settings, options: LatentOptimiserOptions): LatentOptimiser {
  switch (settings.optimiser) {
    case 'doodl':
      return doodlOptimiser(settings, options);
    case 'normalised':
      return normalisedOptimiser(settings, options);
    case 'adam':
      return adamOptimiser(settings, options);
    case 'sign':
      return signOptimiser(settings, options);
    case 'line-search':
      return lineSearchOptimiser(settings);
    case 'trust-region':
      return trustRegionOptimiser(settings);
  }
}

/** An optimiser of the free elements only; the others stay as they are, and count for no length and no momentum. */
export function onFreeElements(optimiser: LatentOptimiser, free: Uint8Array): LatentOptimiser {
  const merged = (latent: Float64Array, moved: Float64Array) => {
    let at = 0;
    return latent.map((value, i) => (free[i] ? moved[at++] : value));
  };
  return {
    name: optimiser.name,
    reconsider(latent, loss) {
      const moved = optimiser.reconsider?.(freeElements(latent, free), loss);
      return moved && merged(latent, moved);
    },
    update(latent, gradient, loss) {
      return merged(latent, optimiser.update(freeElements(latent, free), freeElements(gradient, free), loss));
    },
  };
}

/** The values at which `free` is not 0, in order. */
export function freeElements(values: Float64Array, free: Uint8Array): Float64Array {
  return values.filter((_, i) => free[i] !== 0);
}

export type DoodlSettings = Pick<
  Settings,
  'gradScale' | 'clipGradient' | 'momentum' | 'nesterov' | 'perturbation'
>;

/**
 * DOODL's update, in DOODL's order: scale, clip each element, momentum, perturb, tie, renormalise. The learning rate is 1:
 * an element moves by `clipGradient` at most in the first step and by ten times that with momentum 0.9.
 *
 * The published program keeps a pair of latents, each with the gradient -½·dL/dcopy, and averages the pair; all its steps
 * are the same for both, so one latent with the mean gradient does the same. (Untied pairs are not offered.) It keeps them
 * in float16, where part of an update is lost to rounding; here they are float64.
 *
 * Reference: Wallace, Gokul, Ermon, Naik 2023, "End-to-End Diffusion Latent Optimization Improves Classifier Guidance", and
 * its published code.
 */
export function doodlOptimiser(
  { gradScale, clipGradient, momentum, nesterov, perturbation }: DoodlSettings,
  { norm: length, noise }: LatentOptimiserOptions,
): LatentOptimiser {
  let velocity: Float64Array | undefined;
  return {
    name: 'doodl',
    update(latent, gradient) {
      const clipped = gradient.map((value) =>
        Math.min(clipGradient, Math.max(-clipGradient, -0.5 * gradScale * value)),
      );
      const before = velocity;
      velocity = before ? clipped.map((value, i) => value + momentum * before[i]) : clipped;
      const step = nesterov ? clipped.map((value, i) => value + momentum * velocity![i]) : velocity;
      const next = latent.map((value, i) => value + step[i]);
      return renormalised(perturbed(next, perturbation, noise), length);
    },
  };
}

/**
 * Gradient descent on the sphere with steps of one size: the direction is the gradient without its radial part, scaled to
 * length 1; momentum is a running mean of directions, carried along the sphere; the latent turns by `learningRate`
 * radians. The size of the loss and of the latent do not matter, so one learning rate serves all models.
 */
export function normalisedOptimiser(
  { learningRate, momentum, perturbation }: Pick<Settings, 'learningRate' | 'momentum' | 'perturbation'>,
  { norm: length, noise }: LatentOptimiserOptions,
): LatentOptimiser {
  let velocity: Float64Array | undefined;
  return {
    name: 'normalised',
    update(latent, gradient) {
      const radius = norm(latent);
      const direction = unit(tangent(gradient, latent, radius));
      velocity = tangent(runningMean(direction, velocity, momentum), latent, radius);
      const back = unit(velocity).map((value) => -value);
      const next = turned(latent, back, learningRate);
      return renormalised(perturbed(next, perturbation, noise), length);
    },
  };
}

/**
 * Adam on the latent's elements, put back on the sphere after each step.
 *
 * Reference: Kingma and Ba 2015. The decay of the first moment is `momentum`; of the second 0.999.
 */
export function adamOptimiser(
  { learningRate, momentum, perturbation }: Pick<Settings, 'learningRate' | 'momentum' | 'perturbation'>,
  { norm: length, noise }: LatentOptimiserOptions,
): LatentOptimiser {
  const decay = 0.999;
  let steps = 0;
  let mean: Float64Array | undefined;
  let square: Float64Array | undefined;
  return {
    name: 'adam',
    update(latent, gradient) {
      steps++;
      mean ??= new Float64Array(latent.length);
      square ??= new Float64Array(latent.length);
      const next = latent.slice();
      for (let i = 0; i < next.length; i++) {
        mean[i] = momentum * mean[i] + (1 - momentum) * gradient[i];
        square[i] = decay * square[i] + (1 - decay) * gradient[i] ** 2;
        const first = mean[i] / (1 - momentum ** steps);
        const second = square[i] / (1 - decay ** steps);
        next[i] -= (learningRate * first) / (Math.sqrt(second) + 1e-12);
      }
      return renormalised(perturbed(next, perturbation, noise), length);
    },
  };
}

/**
 * Each element moves by the learning rate against the sign of its gradient, or, with momentum, of a running mean of gradients;
 * then the noise is put back on the sphere. What DOODL's update comes to where its clipping always cuts.
 *
 * Reference: Bernstein et al. 2018, "signSGD: Compressed Optimisation for Non-Convex Problems".
 */
export function signOptimiser(
  { learningRate, momentum, perturbation }: Pick<Settings, 'learningRate' | 'momentum' | 'perturbation'>,
  { norm: length, noise }: LatentOptimiserOptions,
): LatentOptimiser {
  let mean: Float64Array | undefined;
  return {
    name: 'sign',
    update(latent, gradient) {
      mean = runningMean(gradient, mean, momentum);
      const next = latent.map((value, i) => value - learningRate * Math.sign(mean![i]));
      return renormalised(perturbed(next, perturbation, noise), length);
    },
  };
}

function perturbed(
  latent: Float64Array,
  deviation: number,
  noise: LatentOptimiserOptions['noise'],
): Float64Array {
  if (deviation === 0) return latent;
  const fresh = noise(latent.length);
  return latent.map((value, i) => value + deviation * fresh[i]);
}
