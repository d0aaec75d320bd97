/** @file The rendered scenes that trainings draw from, and those that tests use. */

import { type Clip, clipFromSeed } from '../world/moves.ts';
import type { ObjectMask } from '../world/render.ts';
import { renderScene, renderWithMasks } from '../world/render.ts';
import { sceneFromSeed } from '../world/sample.ts';
import { flowSceneFromSeed } from '../world/sample-counted.ts';
import type { Scene } from '../world/scene.ts';

export const IMAGE = 128;
export const PIXELS = IMAGE * IMAGE;

/** Seeds below this one belong to trainings, those from it on to tests. */
export const HELD_OUT_SEED = 1_000_000_000;

/** Draws the scene of a seed: `train` leaves out what is held out. */
export type DrawScene = (seed: number, options: { readonly split: 'train' | 'any' }) => Scene;

/** Scenes of consecutive seeds. */
export interface ScenePool {
  readonly firstSeed: number;
  readonly count: number;
  /** Default: Toybox's world, `sceneFromSeed`. */
  readonly draw?: DrawScene;
}

const AUTOENCODER_POOL: ScenePool = { firstSeed: 1, count: 4000 };

/** What each stage draws its batches from. */
export const TRAINING_POOLS = {
  autoencoder: AUTOENCODER_POOL,
  decoder: AUTOENCODER_POOL,
  flow_autoencoder: AUTOENCODER_POOL,
  judge: { firstSeed: 2_000_000, count: 5000 },
  diffusion: { firstSeed: 4_000_000, count: 20_000 },
  transalnet: { firstSeed: 6_000_000, count: 3000 },
  /** For the running statistics of TranSalNet's batch norms. */
  transalnetStatistics: { firstSeed: 6_500_000, count: 200 },
  clip: { firstSeed: 21_000_000, count: 7000 },
  clip_b: { firstSeed: 31_000_000, count: 7000 },
  clip_c: { firstSeed: 41_000_000, count: 7000 },
  flow: { firstSeed: 12_000_000, count: 24_000, draw: flowSceneFromSeed },
  flow_decoder: { firstSeed: 13_000_000, count: 4000, draw: flowSceneFromSeed },
  judge_counts: { firstSeed: 14_000_000, count: 4000, draw: flowSceneFromSeed },
  /** For the first weights of CLIP's vision towers. */
  visionStart: { firstSeed: 0, count: 60 },
} as const satisfies Record<string, ScenePool>;

/** The clips that toybox-motion is trained on; its held-out loss and its tests draw from {@link HELD_OUT_SEED} on. */
export const TRAINING_CLIPS: ScenePool = { firstSeed: 8_000_000, count: 4000 };

export interface PooledScene {
  readonly scene: Scene;
  /** RGB bytes, row by row. */
  readonly image: Uint8Array;
}

export interface PooledMasks extends PooledScene {
  readonly masks: readonly ObjectMask[];
}

/** The scenes of a pool without images. Held-out combinations never occur in them. */
export function poolScenes({ firstSeed, count, draw = sceneFromSeed }: ScenePool): Scene[] {
  return Array.from({ length: count }, (_, i) => draw(firstSeed + i, { split: 'train' }));
}

/** The clips of a pool. Held-out combinations never occur in them. */
export function poolClips({ firstSeed, count }: ScenePool): Clip[] {
  return Array.from({ length: count }, (_, i) => clipFromSeed(firstSeed + i, { split: 'train' }));
}

/** The scenes of a pool with their images. */
export function trainingScenes(pool: ScenePool): PooledScene[] {
  return poolScenes(pool).map((scene) => ({ scene, image: renderScene(scene, IMAGE) }));
}

/** The scenes of a pool with their images and the mask of each thing. */
export function trainingScenesWithMasks(pool: ScenePool): PooledMasks[] {
  return poolScenes(pool).map((scene) => ({ scene, ...renderWithMasks(scene, IMAGE) }));
}

/**
 * Test scenes, which no training draws. Held-out combinations are among them.
 *
 * @param draw default: Toybox's world
 */
export function testScenes(count: number, draw: DrawScene = sceneFromSeed): PooledMasks[] {
  return Array.from({ length: count }, (_, i) => {
    const scene = draw(HELD_OUT_SEED + i, { split: 'any' });
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
