/**
 * @file Optimisers that look at the loss before they take a gradient, for a way back costs more than an image: a latent that
 * turned out worse is left without one.
 */

import type { Settings } from '../request/request.ts';
import type { LatentOptimiser } from './latent-optimiser.ts';
import { norm, runningMean, tangent, turned, unit } from './sphere.ts';

/** A great circle through a latent whose loss is known, downhill. */
interface Line {
  readonly latent: Float64Array;
  readonly loss: number;
  /** Of length 1, at right angles to the latent. */
  readonly direction: Float64Array;
  /** How much the loss should fall per radian. */
  readonly slope: number;
}

/** Downhill along the sphere; `momentum` is the share of the line before, carried along. */
function lineFrom(
  latent: Float64Array,
  gradient: Float64Array,
  loss: number,
  momentum: number,
  before: Line | undefined,
): Line {
  const radius = norm(latent);
  const uphill = tangent(gradient, latent, radius);
  const downhill = unit(uphill).map((value) => -value);
  const blended = runningMean(downhill, before?.direction, momentum);
  const direction = unit(tangent(blended, latent, radius));
  const slope = -radius * direction.reduce((sum, value, i) => sum + value * uphill[i], 0);
  return { latent, loss, direction, slope };
}

/** The largest turn of one step, in radians: beyond it a gradient says nothing. */
const LARGEST_ANGLE = 0.5;

/**
 * Descent on the sphere within an angle that is trusted: it doubles where the loss fell by more than three quarters of what the
 * gradient promised and halves where it fell by less than a quarter. A step that made the loss worse is taken back, and tried
 * again at half the angle without momentum.
 *
 * Reference: Conn, Gould, Toint 2000, "Trust Region Methods", algorithm 6.1.1, with a linear model.
 *
 * @param settings `learningRate` is the angle of the first step, in radians
 */
export function trustRegionOptimiser({
  learningRate,
  momentum,
}: Pick<Settings, 'learningRate' | 'momentum'>): LatentOptimiser {
  let angle = learningRate;
  let line: Line | undefined;
  let steepest: Line | undefined;
  return {
    name: 'trust-region',
    reconsider(_, loss) {
      if (!line) return undefined;
      const kept = (line.loss - loss) / (angle * line.slope);
      if (kept > 0.75) angle = Math.min(2 * angle, LARGEST_ANGLE);
      else if (!(kept > 0.25)) angle /= 2;
      if (loss <= line.loss) return undefined;
      line = steepest!;
      return turned(line.latent, line.direction, angle);
    },
    update(latent, gradient, loss) {
      steepest = lineFrom(latent, gradient, loss, 0, undefined);
      line = lineFrom(latent, gradient, loss, momentum, line);
      return turned(latent, line.direction, angle);
    },
  };
}

/** Images that one line may take before the next gradient. */
const PROBES = 4;

/**
 * Descent on the sphere with a line search: as long as the loss falls the angle doubles; where the first step made it worse it
 * halves. Each probe is an iteration without a gradient. The next line begins with the angle of this one.
 *
 * @param settings `learningRate` is the first angle of the first line, in radians
 */
export function lineSearchOptimiser({
  learningRate,
  momentum,
}: Pick<Settings, 'learningRate' | 'momentum'>): LatentOptimiser {
  let angle = learningRate;
  let line: Line | undefined;
  /** The best probe of the line. */
  let best: { readonly angle: number; readonly loss: number } | undefined;
  let probes = 0;
  return {
    name: 'line-search',
    reconsider(_, loss) {
      if (!line || probes === PROBES) return undefined;
      probes++;
      if (loss < (best?.loss ?? line.loss)) {
        best = { angle, loss };
        if (probes === PROBES || angle === LARGEST_ANGLE) return undefined;
        angle = Math.min(2 * angle, LARGEST_ANGLE);
      } else if (best) {
        // One too far: back to the best, whose gradient is then taken.
        angle = best.angle;
        probes = PROBES;
      } else {
        if (probes === PROBES || loss === line.loss) return undefined;
        angle /= 2;
      }
      return turned(line.latent, line.direction, angle);
    },
    update(latent, gradient, loss) {
      line = lineFrom(latent, gradient, loss, momentum, line);
      best = undefined;
      probes = 0;
      return turned(latent, line.direction, angle);
    },
  };
}
