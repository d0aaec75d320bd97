/** @file Floor 1: random numbers. */

export { Generator } from './generator.ts';
export { resolveSeed } from './seed.ts';
