/** @file Optimising a part of the noise: the elements that a mask leaves free. */
import type { LatentOptimiser } from './optimiser.ts';

/** An optimiser of the free elements only; the others keep their values and enter neither norm nor momentum. */
export function onFreeElements(optimiser: LatentOptimiser, free: Uint8Array): LatentOptimiser {
  const merged = (latent: Float64Array, moved: Float64Array) => {
    let at = 0;
    return latent.map((value, i) => (free[i] ? moved[at++] : value));
  };
  return {
    name: optimiser.name,
    ...(optimiser.compares && { compares: optimiser.compares }),
    reconsider(latent, loss) {
      const moved = optimiser.reconsider?.(freeElements(latent, free), loss);
      return moved && merged(latent, moved);
    },
    update(latent, gradient, loss) {
      return merged(latent, optimiser.update(freeElements(latent, free), freeElements(gradient, free), loss));
    },
    state: () => optimiser.state(),
    restore: (state) => optimiser.restore(state),
  };
}

/** The values at which `free` is not 0, in order. */
export function freeElements(values: Float64Array, free: Uint8Array): Float64Array {
  return values.filter((_, i) => free[i] !== 0);
}
