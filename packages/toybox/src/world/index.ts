/** @file The world of toys. */
export * from './describe.ts';
export * from './fixations.ts';
export * from './kinds.ts';
export * from './prompts.ts';
export { createRng, type Rng } from './random.ts';
export * from './render.ts';
export * from './sample.ts';
export * from './scene.ts';
export * from './split.ts';
