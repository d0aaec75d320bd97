/** @file What is behind the things of a scene: the background, and clutter that no caption names. */

import { BACKGROUNDS, type BackgroundKind } from './kinds.ts';
import { PLAIN_TINTS } from './palette.ts';
import type { Background, Clutter, ClutterKind } from './scene.ts';
import type { SceneGenerator } from './scene-generator.ts';

/** @param given default: plain in half of the scenes, the others equally often */
export function drawBackground(generator: SceneGenerator, given: BackgroundKind | undefined): Background {
  const kind =
    given ?? (generator.chance(0.5) ? 'plain' : generator.pick(BACKGROUNDS.slice(1) as BackgroundKind[]));
  if (kind === 'plain') return { kind, tint: generator.int(PLAIN_TINTS.length), horizon: 1 };
  const [low, high] = kind === 'night' ? [0.78, 0.88] : kind === 'room' ? [0.68, 0.78] : [0.56, 0.72];
  return { kind, tint: 0, horizon: generator.range(low, high) };
}

/** Clutter that suits a background; none on a plain one, and in a third of the others. */
export function drawClutter(generator: SceneGenerator, { kind, horizon }: Background): Clutter[] {
  const clutter: Clutter[] = [];
  const add = (what: ClutterKind, y0: number, y1: number, side0: number, side1: number) => {
    clutter.push({
      kind: what,
      x: generator.range(0.08, 0.92),
      y: generator.range(y0, y1),
      side: generator.range(side0, side1),
    });
  };
  if (kind === 'plain' || generator.chance(0.35)) return clutter;
  const some = 1 + generator.int(2);
  if (kind === 'grass') {
    for (let i = 0; i < some; i++) add('cloud', 0.08, horizon - 0.3, 0.2, 0.3);
    for (let i = 0; i < some; i++) add('tuft', horizon + 0.1, 0.96, 0.07, 0.09);
  } else if (kind === 'sea') {
    if (generator.chance(0.5)) add('cloud', 0.08, horizon - 0.3, 0.2, 0.3);
    for (let i = 0; i <= some; i++) add('wave', horizon + 0.06, 0.96, 0.14, 0.2);
  } else if (kind === 'night') {
    for (let i = 0; i < 3 + some; i++) add('twinkle', 0.05, horizon - 0.1, 0.014, 0.022);
    if (generator.chance(0.4)) add('moon', 0.1, 0.2, 0.13, 0.16);
  } else {
    if (generator.chance(0.7)) add('window', 0.18, 0.3, 0.2, 0.26);
    if (generator.chance(0.5)) add('rug', horizon + 0.1, 0.94, 0.4, 0.6);
  }
  return clutter;
}
