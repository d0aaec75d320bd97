/** @file A pool of rendered scenes that trainings draw from. */

import type { ObjectMask } from '../world/render.ts';
import { renderScene, renderWithMasks } from '../world/render.ts';
import { sceneFromSeed } from '../world/sample.ts';
import type { Scene } from '../world/scene.ts';

export const IMAGE = 128;
export const PIXELS = IMAGE * IMAGE;

/** Seeds below this one belong to trainings, those from it on to tests. */
export const HELD_OUT_SEED = 1_000_000_000;

export interface PooledScene {
  readonly scene: Scene;
  /** RGB bytes, row by row. */
  readonly image: Uint8Array;
}

export interface PooledMasks extends PooledScene {
  readonly masks: readonly ObjectMask[];
}

/** `count` training scenes from `seed` on; combinations that are held out never occur. */
export function trainingScenes(seed: number, count: number): PooledScene[] {
  return Array.from({ length: count }, (_, i) => {
    const scene = sceneFromSeed(seed + i, { split: 'train' });
    return { scene, image: renderScene(scene, IMAGE) };
  });
}

/** The same with masks. */
export function trainingScenesWithMasks(seed: number, count: number): PooledMasks[] {
  return Array.from({ length: count }, (_, i) => {
    const scene = sceneFromSeed(seed + i, { split: 'train' });
    return { scene, ...renderWithMasks(scene, IMAGE) };
  });
}

/** Test scenes that no training draws: any combination, held-out ones among them. */
export function testScenes(count: number): PooledMasks[] {
  return Array.from({ length: count }, (_, i) => {
    const scene = sceneFromSeed(HELD_OUT_SEED + i);
    return { scene, ...renderWithMasks(scene, IMAGE) };
  });
}

/** Writes RGB bytes as planes of [-1, 1] (or [0, 1]) at `offset` of a [.., 3, h, w] array. */
export function writePlanes(
  image: Uint8Array,
  into: Float32Array,
  offset: number,
  { scale = 2 / 255, shift = -1 }: { scale?: number; shift?: number } = {},
): void {
  const pixels = image.length / 3;
  for (let i = 0; i < pixels; i++) {
    into[offset + i] = image[3 * i] * scale + shift;
    into[offset + pixels + i] = image[3 * i + 1] * scale + shift;
    into[offset + 2 * pixels + i] = image[3 * i + 2] * scale + shift;
  }
}
