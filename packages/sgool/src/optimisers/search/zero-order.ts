/**
 * @file Zero-order search: several noises at one angle around the best one, of which the best becomes the next centre.
 *
 * Reference: Ma et al. 2025, "Inference-Time Scaling for Diffusion Models beyond Scaling Denoising Steps", section 4.1. Departures:
 * a round that found nothing better keeps its centre and draws new neighbours around it, where the paper moves to the best of
 * the round in any case; neighbours keep the norm of the centre exactly.
 */
import type { SearchSettings } from '../../request/settings/search.ts';
import { norm, tangent, turned, unit } from '../sphere.ts';
import type { NoiseSearch, SearchRandom } from './search.ts';

interface Scored {
  readonly noise: Float64Array;
  readonly score: number;
}

interface ZeroOrderState {
  readonly pivot?: Scored;
  readonly best?: Scored;
  readonly tried: number;
}

/** The search; its first noise is the first centre. */
export function zeroOrderSearch(
  { neighbours, similarity }: Pick<SearchSettings, 'neighbours' | 'similarity'>,
  { normal }: Pick<SearchRandom, 'normal'>,
): NoiseSearch {
  let pivot: Scored | undefined;
  /** The best neighbour of this round, and how many were tried. */
  let best: Scored | undefined;
  let tried = 0;
  return {
    propose() {
      if (!pivot) throw new Error('zero-order: a noise was asked for before the first one was scored');
      return { noise: neighbourOf(pivot.noise, similarity, normal) };
    },
    tell(noise, score) {
      if (!pivot) {
        pivot = { noise, score };
        return;
      }
      if (!best || score > best.score) best = { noise, score };
      if (++tried < neighbours) return;
      if (best.score > pivot.score) pivot = best;
      best = undefined;
      tried = 0;
    },
    state: (): ZeroOrderState => ({ pivot, best, tried }),
    restore(state: ZeroOrderState) {
      ({ pivot, best, tried } = state);
    },
  };
}

/**
 * A noise of the same length as another one, at a cosine similarity to it: `|n|·(s·u + √(1-s²)·w)`, u along n, w a random unit
 * vector at right angles to it.
 */
export function neighbourOf(
  noise: Float64Array,
  similarity: number,
  normal: SearchRandom['normal'],
): Float64Array {
  const drawn = Float64Array.from(normal(noise.length));
  const direction = unit(tangent(drawn, noise, norm(noise)));
  return turned(noise, direction, Math.acos(similarity));
}
