/** @file Trust region. */
import type { OptimiserSettings } from '../request/settings/optimiser.ts';
import { LARGEST_ANGLE, type Line, lineFrom } from './line.ts';
import type { LatentOptimiser } from './optimiser.ts';
import { turned } from './sphere.ts';

interface TrustRegionState {
  readonly angle: number;
  readonly line?: Line;
  readonly steepest?: Line;
}

/**
 * Descent on the sphere within an angle that is trusted: it doubles if the loss fell by more than three quarters of what the
 * gradient predicted, and halves if it fell by less than a quarter. A step that made the loss worse is undone, and tried
 * again at half the angle without momentum.
 *
 * Reference: Conn, Gould, Toint 2000, "Trust Region Methods", algorithm 6.1.1, with a linear model.
 *
 * @param settings `learningRate` is the angle of the first step, in radians
 */
export function trustRegionOptimiser({
  learningRate,
  momentum,
}: Pick<OptimiserSettings, 'learningRate' | 'momentum'>): LatentOptimiser {
  let angle = learningRate;
  let line: Line | undefined;
  let steepest: Line | undefined;
  return {
    name: 'trust-region',
    compares: 'steps',
    reconsider(_, loss) {
      if (!line || !steepest) return undefined;
      const kept = (line.loss - loss) / (angle * line.slope);
      if (kept > 0.75) angle = Math.min(2 * angle, LARGEST_ANGLE);
      else if (!(kept > 0.25)) angle /= 2;
      if (loss <= line.loss) return undefined;
      line = steepest;
      return turned(line.latent, line.direction, angle);
    },
    update(latent, gradient, loss) {
      steepest = lineFrom(latent, gradient, loss, 0, undefined);
      line = lineFrom(latent, gradient, loss, momentum, line);
      return turned(latent, line.direction, angle);
    },
    state: (): TrustRegionState => ({ angle, line, steepest }),
    restore(state: TrustRegionState) {
      ({ angle, line, steepest } = state);
    },
  };
}
