/** @file The published families that are read, for messages. */

/** The families, as a list in a sentence. */
export const FAMILIES_IN_WORDS = 'Stable Diffusion 1.x, 2.x, 3 or 3.5, or Flux.1';

/** What would work in place of a model that is not supported. */
export const USE_A_MODEL = `use a model of ${FAMILIES_IN_WORDS}`;
