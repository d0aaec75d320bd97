/** @file The maps that the judge should predict for a rendered scene. */

import { COLOURS, JUDGE_GRID, JUDGE_IMAGE, JUDGE_TRAITS, KINDS } from 'sgool/evaluate';
import type { ObjectMask } from '../world/render.ts';
import type { Scene } from '../world/scene.ts';

const CELLS = JUDGE_GRID * JUDGE_GRID;

/** Lengths, for one image, of the arrays that `writeTargets` fills. */
export const TARGET_SIZES = {
  heat: KINDS.length * CELLS,
  present: CELLS * KINDS.length,
  colour: CELLS * KINDS.length * COLOURS.length,
  traits: CELLS * KINDS.length * JUDGE_TRAITS,
} as const;

export type Targets = { readonly [K in keyof typeof TARGET_SIZES]: Float32Array };

/** Fills the (zeroed) targets of one image. Boxes and centres are those of the visible pixels. */
export function writeTargets(scene: Scene, masks: readonly ObjectMask[], into: Targets): void {
  scene.objects.forEach((thing, i) => {
    const mask = masks[i];
    if (mask.area === 0) return;
    const kind = KINDS.indexOf(thing.kind);
    const [x0, y0, x1, y1] = [mask.box.x0, mask.box.y0, mask.box.x1, mask.box.y1].map(
      (v) => v / JUDGE_IMAGE,
    ) as [number, number, number, number];
    const behind = scene.relation?.relation === 'in front of' && scene.relation.object === i;
    const [cx, cy] = [((x0 + x1) / 2) * JUDGE_GRID, ((y0 + y1) / 2) * JUDGE_GRID];
    const [column, row] = [
      Math.min(JUDGE_GRID - 1, Math.floor(cx)),
      Math.min(JUDGE_GRID - 1, Math.floor(cy)),
    ];
    for (let r = Math.max(0, row - 2); r <= Math.min(JUDGE_GRID - 1, row + 2); r++) {
      for (let c = Math.max(0, column - 2); c <= Math.min(JUDGE_GRID - 1, column + 2); c++) {
        const at = kind * CELLS + r * JUDGE_GRID + c;
        const heat = Math.exp(-((r - row) ** 2 + (c - column) ** 2) / 1.2);
        into.heat[at] = Math.max(into.heat[at], heat);
      }
    }
    const slot = (row * JUDGE_GRID + column) * KINDS.length + kind;
    into.present[slot] = 1;
    into.colour.fill(0, slot * COLOURS.length, (slot + 1) * COLOURS.length);
    into.colour[slot * COLOURS.length + COLOURS.indexOf(thing.colour)] = 1;
    into.traits.set(
      [cx - column, cy - row, x1 - x0, y1 - y0, behind ? 1 : 0, thing.hollow ? 1 : 0],
      slot * JUDGE_TRAITS,
    );
  });
}
