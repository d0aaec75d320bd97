/**
 * @file Simulated eye fixations. Each scene gets a priority map, and fixations are drawn from it:
 *
 * - every thing attracts in proportion to (0.4 + 1.2 * contrast) * sqrt(visible area) * (1.5 with a face), where
 *   contrast is the distance between the mean colours of the thing and of the background (0..1);
 * - its fixations fall around the focus of its shape (a face where it has one), else around the centre of its visible
 *   pixels, with a spread of 0.22 of its box;
 * - one fixation in eight follows a central bias instead, a Gaussian of deviation 0.22 of the image.
 *
 * The continuous map is the fixations blurred by a Gaussian of 1/16 of the image, as benchmarks blur by about one
 * degree of view. It is a simulation: no person was measured.
 */

import { WITH_FACE } from './kinds.ts';
import type { ObjectMask } from './render.ts';
import type { Scene } from './scene.ts';
import type { SceneGenerator } from './scene-generator.ts';
import { SHAPES } from './shapes.ts';

export interface FixationOptions {
  /** Side of the maps. */
  readonly size: number;
  readonly generator: SceneGenerator;
  /** Default 200, as many as a dozen viewers make in a few seconds each. */
  readonly count?: number;
}

export interface Fixations {
  /** `size * size`, largest value 1. */
  readonly map: Float32Array;
  /** `size * size`, how many fixations fell on each pixel. */
  readonly fixations: Float32Array;
}

const CENTRE_SHARE = 1 / 8;

/** Simulates fixations on a rendered scene. `image` and `masks` come from `renderWithMasks`. */
export function simulateFixations(
  scene: Scene,
  { image, masks }: { image: Uint8Array; masks: readonly ObjectMask[] },
  { size, generator, count = 200 }: FixationOptions,
): Fixations {
  const side = Math.sqrt(image.length / 3);
  const targets = priorities(scene, image, masks, side);
  const total = targets.reduce((sum, t) => sum + t.weight, 0);
  const fixations = new Float32Array(size * size);
  for (let i = 0; i < count; i++) {
    let [x, y] = [0.5 + 0.22 * generator.normal(), 0.5 + 0.22 * generator.normal()];
    if (total > 0 && !generator.chance(CENTRE_SHARE)) {
      let left = generator.next() * total;
      const target = targets.find((t) => (left -= t.weight) < 0) ?? targets[0];
      [x, y] = [
        target.x + target.spreadX * generator.normal(),
        target.y + target.spreadY * generator.normal(),
      ];
    }
    const [column, row] = [Math.floor(x * size), Math.floor(y * size)];
    if (column >= 0 && row >= 0 && column < size && row < size) fixations[row * size + column] += 1;
  }
  const map = blur(fixations, size, size / 16);
  const top = map.reduce((a, b) => Math.max(a, b), 1e-9);
  return { map: map.map((v) => v / top), fixations };
}

function priorities(scene: Scene, image: Uint8Array, masks: readonly ObjectMask[], side: number) {
  const ground = [0, 0, 0];
  let groundArea = 0;
  const means = masks.map(() => [0, 0, 0]);
  const centres = masks.map(() => [0, 0]);
  for (let p = 0; p < side * side; p++) {
    const owner = masks.findIndex((m) => m.mask[p]);
    const into = owner < 0 ? ground : means[owner];
    for (let c = 0; c < 3; c++) into[c] += image[3 * p + c];
    if (owner < 0) groundArea++;
    else {
      centres[owner][0] += p % side;
      centres[owner][1] += Math.floor(p / side);
    }
  }
  return masks.flatMap(({ area, box }, i) => {
    if (area === 0) return [];
    const thing = scene.objects[i];
    const face = WITH_FACE.includes(thing.kind);
    const [focusX, focusY] = SHAPES[thing.kind].focus;
    const contrast =
      Math.hypot(...means[i].map((v, c) => v / area - ground[c] / Math.max(1, groundArea))) / 441;
    const [w, h] = [(box.x1 - box.x0) / side, (box.y1 - box.y0) / side];
    return [
      {
        weight: (0.4 + 1.2 * contrast) * Math.sqrt(area / (side * side)) * (face ? 1.5 : 1),
        x: face
          ? thing.x + (focusX * (thing.flipped ? -1 : 1) * thing.side) / 2
          : centres[i][0] / area / side,
        y: face ? thing.y + (focusY * thing.side) / 2 : centres[i][1] / area / side,
        spreadX: 0.22 * w,
        spreadY: 0.22 * h,
      },
    ];
  });
}

/** Separable Gaussian blur of a square map. */
function blur(map: Float32Array, size: number, deviation: number): Float32Array {
  const radius = Math.ceil(3 * deviation);
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * deviation ** 2)),
  );
  const pass = (source: Float32Array, step: number, stride: number) => {
    const out = new Float32Array(source.length);
    for (let line = 0; line < size; line++) {
      for (let i = 0; i < size; i++) {
        const value = source[line * stride + i * step];
        if (value === 0) continue;
        for (let k = -radius; k <= radius; k++) {
          if (i + k >= 0 && i + k < size) out[line * stride + (i + k) * step] += value * kernel[k + radius];
        }
      }
    }
    return out;
  };
  return pass(pass(map, 1, size), size, 1);
}
