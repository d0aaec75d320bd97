/**
 * @file Trust-region search: a box around each of the best noises so far, which grows where it finds better ones and shrinks where
 * it does not.
 *
 * Reference: "Trust-region noise search" (arXiv 2603.14504), after Eriksson et al. 2019, "Scalable Global Optimization via Local
 * Bayesian Optimization" (TuRBO). Departures: proposals are pseudo-random instead of a Sobol sequence, which ends at 21,201
 * dimensions; each round draws one from every box; and each proposal gets the norm of its centre, because noise that
 * wanders from box to box grows longer than any that the network was trained on.
 */
import type { SearchSettings } from '../../request/settings/search.ts';
import { norm, renormalised } from '../sphere.ts';
import type { NoiseSearch, SearchRandom } from './search.ts';

/** Better or worse proposals one after another until a box grows or shrinks, by which factor, and within what. */
const TURNS = 3;
const FACTOR = 1.5;
const [SMALLEST, LARGEST] = [0.05, 2.4];
/** Between these the share of elements lies that a proposal changes. */
const [LEAST_CHANGED, MOST_CHANGED] = [0.1, 0.9];

interface Scored {
  readonly noise: Float64Array;
  readonly score: number;
}

interface Box {
  readonly side: number;
  readonly wins: number;
  readonly losses: number;
}

interface TrustRegionSearchState {
  /** The best noises so far, best first. */
  readonly best: readonly Scored[];
  readonly boxes: readonly Box[];
  /** Centres of this round, and the index of the one whose box was or will be drawn from. */
  readonly round: readonly Scored[];
  readonly at: number;
  /** Whether the last proposal came from a box. */
  readonly fromBox: boolean;
}

/** The search: fresh noise at first, then proposals from the boxes. */
export function trustRegionSearch(
  { centres, boxSide, warmUp }: Pick<SearchSettings, 'centres' | 'boxSide' | 'warmUp'>,
  { normal, uniform }: SearchRandom,
): NoiseSearch {
  let best: readonly Scored[] = [];
  let boxes: readonly Box[] = Array.from({ length: centres }, () => ({ side: boxSide, wins: 0, losses: 0 }));
  let round: readonly Scored[] = [];
  let at = 0;
  let fromBox = false;
  return {
    propose(_, share) {
      fromBox = share >= warmUp;
      if (!fromBox) return { noise: Float64Array.from(normal(best[0].noise.length)) };
      if (at === round.length) {
        round = best;
        at = 0;
      }
      return { noise: proposalIn(round[at].noise, boxes[at].side, uniform) };
    },
    tell(noise, score) {
      if (fromBox) {
        const won = score > round[at].score;
        boxes = boxes.with(at, changedBox(boxes[at], won));
        at++;
      }
      best = [...best, { noise, score }].sort((a, b) => b.score - a.score).slice(0, centres);
    },
    state: (): TrustRegionSearchState => ({ best, boxes, round, at, fromBox }),
    restore(state: TrustRegionSearchState) {
      ({ best, boxes, round, at, fromBox } = state);
    },
  };
}

/** A noise in a box: some elements of the centre, drawn anew evenly within its sides; of the centre's norm. */
export function proposalIn(
  centre: Float64Array,
  side: number,
  uniform: SearchRandom['uniform'],
): Float64Array {
  const share = LEAST_CHANGED + (MOST_CHANGED - LEAST_CHANGED) * uniform(1)[0];
  const chosen = uniform(centre.length);
  const moved = uniform(centre.length);
  const proposed = centre.map((value, i) => (chosen[i] < share ? value + side * (moved[i] - 0.5) : value));
  return renormalised(proposed, norm(centre));
}

function changedBox({ side, wins, losses }: Box, won: boolean): Box {
  const [more, fewer] = won ? [wins + 1, 0] : [0, losses + 1];
  if (more === TURNS) return { side: Math.min(side * FACTOR, LARGEST), wins: 0, losses: 0 };
  if (fewer === TURNS) return { side: Math.max(side / FACTOR, SMALLEST), wins: 0, losses: 0 };
  return { side, wins: more, losses: fewer };
}
