/** @file What a scene is, where its things lie, and which relations hold between them. */

import type { Colour, Kind, Relation } from 'sgool/evaluate';
import type { BackgroundKind, Pattern, Size } from './kinds.ts';
import { SHAPES } from './shapes.ts';

/** One thing in a scene. Lengths are shares of the image's side; x to the right, y down. */
export interface Thing {
  kind: Kind;
  colour: Colour;
  size: Size;
  pattern: Pattern;
  /** Centre. */
  x: number;
  y: number;
  /** Longer side. */
  side: number;
  /** Mirrored left to right. */
  flipped: boolean;
  /** Drawn hollow, because another thing is inside. */
  hollow: boolean;
}

export type ClutterKind = 'cloud' | 'twinkle' | 'moon' | 'tuft' | 'wave' | 'window' | 'rug';

/** A faint thing that no caption names. */
export interface Clutter {
  kind: ClutterKind;
  x: number;
  y: number;
  /** Width as a share of the image's side. */
  side: number;
}

export interface Background {
  kind: BackgroundKind;
  /** Which of the plain tints; 0 for other backgrounds. */
  tint: number;
  /** Height of the line between upper and lower part, as a share; 1 where there is none. */
  horizon: number;
}

/** Things by index: `objects[subject]` is `relation` `objects[object]`. */
export interface SceneRelation {
  subject: number;
  relation: Relation;
  object: number;
}

export interface Scene {
  background: Background;
  /** Named things, painted first to last; the order carries no meaning beyond that. */
  objects: Thing[];
  clutter: Clutter[];
  /** The relation that the two things were laid out for; absent for one or three things and for loose layouts. */
  relation?: SceneRelation;
}

/** Where the things of a scene are, whatever is behind them. */
export interface Layout extends Pick<Scene, 'relation'> {
  readonly objects: readonly Thing[];
}

/** A rectangle in shares of the image's side: left, top, right, bottom. */
export interface Box {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** The rectangle around a thing's drawing, hidden parts included. */
export function boxOf(thing: Pick<Thing, 'kind' | 'x' | 'y' | 'side'>): Box {
  const shape = SHAPES[thing.kind];
  const w = (shape.halfWidth * thing.side) / 2;
  const h = (shape.halfHeight * thing.side) / 2;
  return { x0: thing.x - w, y0: thing.y - h, x1: thing.x + w, y1: thing.y + h };
}

/** Three-valued truth: a caption may only be used as true, or as a false alternative, when it is clear. */
export type Truth = 'true' | 'false' | 'unclear';

/**
 * Whether `objects[a] relation objects[b]` holds in a scene.
 *
 * Left of, right of, above and below are true when the centres differ mostly along that axis and the boxes are apart along it
 * (touching allowed), false when the centres differ the other way or hardly at all, and unclear between. Things that overlap by layout
 * are only ever in front of or inside each other: every other relation between them is unclear, the reverse false.
 */
export function relationHolds(scene: Layout, a: number, relation: Relation, b: number): Truth {
  if (a === b) return 'false';
  const layout = scene.relation;
  const overlapping = layout?.relation === 'in front of' || layout?.relation === 'inside';
  if (relation === 'in front of' || relation === 'inside') {
    if (!overlapping) return 'false';
    if (layout.relation === relation) return layout.subject === a && layout.object === b ? 'true' : 'false';
    return layout.subject === a ? 'unclear' : 'false';
  }
  if (overlapping) return 'unclear';
  const first = scene.objects[a];
  const second = scene.objects[b];
  const sign = relation === 'left of' || relation === 'above' ? 1 : -1;
  const across = relation === 'left of' || relation === 'right of';
  const along = sign * (across ? second.x - first.x : second.y - first.y);
  const off = Math.abs(across ? second.y - first.y : second.x - first.x);
  if (along <= 0.05) return 'false';
  if (along < 1.3 * off) return 'unclear';
  const [near, far] = sign > 0 ? [boxOf(first), boxOf(second)] : [boxOf(second), boxOf(first)];
  const gap = across ? far.x0 - near.x1 : far.y0 - near.y1;
  return gap >= -0.02 ? 'true' : 'unclear';
}
