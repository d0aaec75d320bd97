/** @file Line search. */
import type { OptimiserSettings } from '../request/settings/optimiser.ts';
import { LARGEST_ANGLE, type Line, lineFrom } from './line.ts';
import type { LatentOptimiser } from './optimiser.ts';
import { turned } from './sphere.ts';

/** Most images along one line before the next gradient. */
const PROBES = 4;

interface Probe {
  readonly angle: number;
  readonly loss: number;
}

interface LineSearchState {
  readonly angle: number;
  readonly line?: Line;
  readonly best?: Probe;
  readonly probes: number;
}

/**
 * Descent on the sphere with a line search: the angle doubles as long as the loss falls, and halves as long as no step made it
 * fall. Each probe is an iteration without a gradient. The next line begins with the angle of this one.
 *
 * @param settings `learningRate` is the first angle of the first line, in radians
 */
export function lineSearchOptimiser({
  learningRate,
  momentum,
}: Pick<OptimiserSettings, 'learningRate' | 'momentum'>): LatentOptimiser {
  let angle = learningRate;
  let line: Line | undefined;
  /** The best probe of the line. */
  let best: Probe | undefined;
  let probes = 0;
  return {
    name: 'line-search',
    compares: 'steps',
    reconsider(_, loss) {
      if (!line || probes === PROBES) return undefined;
      probes++;
      if (loss < (best?.loss ?? line.loss)) {
        best = { angle, loss };
        if (probes === PROBES || angle === LARGEST_ANGLE) return undefined;
        angle = Math.min(2 * angle, LARGEST_ANGLE);
      } else if (best) {
        // One probe too far: back to the best one, whose gradient is taken next.
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
    state: (): LineSearchState => ({ angle, line, best, probes }),
    restore(state: LineSearchState) {
      ({ angle, line, best, probes } = state);
    },
  };
}
