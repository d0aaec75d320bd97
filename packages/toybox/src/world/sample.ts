/** @file Draws scenes from a seed: which things, how they lie, and what is behind them. */

import { COLOURS, type Colour, KINDS, type Kind, type Relation } from 'sgool/evaluate';
import { type BackgroundKind, CONTAINERS, type Pattern, SIDE, type Size } from './kinds.ts';
import { apart, clampCentre, halfHeight, halfWidth, MARGIN, moveAnywhere } from './placing.ts';
import type { Scene, SceneRelation, Thing } from './scene.ts';
import { type SceneGenerator, sceneGenerator } from './scene-generator.ts';
import { SHAPES } from './shapes.ts';
import { isHeldOut } from './split.ts';
import { drawBackground, drawClutter } from './surroundings.ts';

export interface SampleOptions {
  /** Number of things. Default: one (45%), two (45%) or three (10%); two where a relation is given. */
  things?: 1 | 2 | 3;
  /** Kinds of the first things; the rest are drawn. */
  kinds?: readonly (Kind | undefined)[];
  /** Colours of the first things; the rest are drawn. */
  colours?: readonly (Colour | undefined)[];
  /** Sizes of the first things; a large one may be drawn smaller where two would not fit. */
  sizes?: readonly (Size | undefined)[];
  patterns?: readonly (Pattern | undefined)[];
  background?: BackgroundKind;
  /** The first thing is in this relation to the second. */
  relation?: Relation;
  /** `train` leaves out held-out combinations, `heldOut` gives only those (two things), `any` (default) all. */
  split?: 'train' | 'heldOut' | 'any';
}

const ATTEMPTS = 2000;

/**
 * Draws one scene.
 *
 * @throws Error when the options cannot be met: a relation without exactly two things, something inside a thing
 *   that holds nothing, forced things that the split forbids.
 */
export function sampleScene(generator: SceneGenerator, options: SampleOptions = {}): Scene {
  const { split = 'any', relation } = options;
  const named = Math.max(options.kinds?.length ?? 0, options.colours?.length ?? 0, 1);
  const count =
    options.things ??
    (relation !== undefined || split === 'heldOut'
      ? 2
      : named > 1
        ? named
        : Number(generator.weighted({ '1': 45, '2': 45, '3': 10 })));
  if (relation !== undefined && count !== 2) {
    throw new Error(
      `sampleScene: a relation needs two things, got ${count}; leave out 'things' or 'relation'`,
    );
  }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const things = drawThings(generator, count, options);
    const held = isHeldOut(things);
    if ((split === 'train' && held) || (split === 'heldOut' && !held)) continue;
    const placed =
      count === 1
        ? placeOne(generator, things)
        : count === 2
          ? placeTwo(generator, things, relation)
          : placeThree(generator, things);
    if (placed === undefined) continue;
    const background = drawBackground(generator, options.background);
    const scene: Scene = { background, clutter: drawClutter(generator, background), objects: placed.objects };
    if (placed.relation) scene.relation = placed.relation;
    return scene;
  }
  throw new Error(
    `sampleScene: no scene fits the options, got ${JSON.stringify(options)}; ` +
      `'inside' needs one of ${CONTAINERS.join(', ')} as the second thing, and forced things must belong to the split`,
  );
}

/** The scene of a seed: `sampleScene` with a generator of its own. */
export function sceneFromSeed(seed: number, options: SampleOptions = {}): Scene {
  return sampleScene(sceneGenerator(seed), options);
}

interface Placed {
  objects: Thing[];
  relation?: SceneRelation;
}

function drawThings(generator: SceneGenerator, count: number, options: SampleOptions): Thing[] {
  const things: Thing[] = [];
  for (let i = 0; i < count; i++) {
    // The second of two inside something must be able to hold it.
    const kindChoice = options.relation === 'inside' && i === 1 ? CONTAINERS : KINDS;
    let kind = options.kinds?.[i] ?? generator.pick(kindChoice);
    let colour = options.colours?.[i] ?? generator.pick(COLOURS);
    // Same kinds and same colours occur, half as often as by chance.
    if (things.some((t) => t.kind === kind) && !options.kinds?.[i] && generator.chance(0.5))
      kind = generator.pick(kindChoice);
    if (things.some((t) => t.colour === colour) && !options.colours?.[i] && generator.chance(0.5))
      colour = generator.pick(COLOURS);
    const size =
      options.sizes?.[i] ??
      (count === 1
        ? generator.weighted({ small: 15, medium: 40, large: 45 })
        : count === 2
          ? generator.weighted({ small: 28, medium: 47, large: 25 })
          : generator.weighted({ small: 60, medium: 40 }));
    things.push({
      kind,
      colour,
      size,
      pattern: options.patterns?.[i] ?? generator.weighted({ plain: 82, striped: 9, spotted: 9 }),
      x: 0.5,
      y: 0.5,
      side: SIDE[size] * generator.range(0.96, 1.04),
      flipped: generator.chance(0.5),
      hollow: false,
    });
  }
  return things;
}

/** Changes the size class of a thing and keeps its jitter. */
function resize(thing: Thing, size: Size): void {
  thing.side *= SIDE[size] / SIDE[thing.size];
  thing.size = size;
}

function placeOne(generator: SceneGenerator, [thing]: Thing[]): Placed {
  const slackX = 0.5 - MARGIN - halfWidth(thing);
  const slackY = 0.5 - MARGIN - halfHeight(thing);
  thing.x = 0.5 + slackX * 0.6 * generator.range(-1, 1);
  thing.y = 0.5 + slackY * 0.6 * generator.range(-1, 1);
  return { objects: [thing] };
}

function placeTwo(
  generator: SceneGenerator,
  things: Thing[],
  given: Relation | undefined,
): Placed | undefined {
  const [a, b] = things as [Thing, Thing];
  const layout =
    given ??
    generator.weighted({
      'left of': 24,
      'right of': 24,
      above: 14,
      below: 14,
      loose: 10,
      'in front of': 8,
      inside: 6,
    });
  switch (layout) {
    case 'left of':
    case 'right of':
    case 'above':
    case 'below':
      placeApart(generator, a, b, layout);
      break;
    case 'loose':
      return placeLoosely(generator, a, b) ? { objects: things } : undefined;
    case 'in front of':
      placeInFront(generator, a, b);
      // The one in front is painted last.
      return { objects: [b, a], relation: { subject: 1, relation: layout, object: 0 } };
    case 'inside':
      if (!placeInside(generator, a, b)) return undefined;
      return { objects: [b, a], relation: { subject: 1, relation: layout, object: 0 } };
  }
  return { objects: things, relation: { subject: 0, relation: layout, object: 1 } };
}

function placeApart(
  generator: SceneGenerator,
  a: Thing,
  b: Thing,
  relation: 'left of' | 'right of' | 'above' | 'below',
): void {
  const across = relation === 'left of' || relation === 'right of';
  const [first, second] = relation === 'left of' || relation === 'above' ? [a, b] : [b, a];
  const extent = across ? halfWidth : halfHeight;
  const other = across ? halfHeight : halfWidth;
  const gap = 0.03;
  const room = () => 1 - 2 * MARGIN - gap - 2 * extent(first) - 2 * extent(second);
  while (room() < 0) {
    const bigger = first.side > second.side ? first : second;
    resize(bigger, bigger.size === 'large' ? 'medium' : 'small');
  }
  // The slack is shared between left, middle and right, more of it in the middle than at the borders.
  const [u, v, w] = [generator.next() + 0.3, generator.next() + 0.5, generator.next() + 0.3];
  const share = room() / (u + v + w);
  const p = MARGIN + u * share + extent(first);
  const q = p + extent(first) + gap + v * share + extent(second);
  // A small shift sideways, so that the relation stays clear.
  const shift = Math.min(0.12, 0.3 * (q - p));
  const sideways = (thing: Thing) => {
    const limit = Math.min(shift, 0.5 - MARGIN - other(thing));
    return 0.5 + limit * generator.range(-1, 1);
  };
  const s = sideways(first);
  const t = sideways(second);
  if (across) {
    [first.x, first.y, second.x, second.y] = [p, s, q, t];
  } else {
    [first.x, first.y, second.x, second.y] = [s, p, t, q];
  }
}

/** Anywhere, as long as the boxes stay apart. */
function placeLoosely(generator: SceneGenerator, a: Thing, b: Thing): boolean {
  for (let attempt = 0; attempt < 20; attempt++) {
    for (const thing of [a, b]) moveAnywhere(generator, thing);
    if (apart(a, b)) return true;
  }
  return false;
}

/** The front thing is smaller, lower, and covers a lower corner of the one behind. */
function placeInFront(generator: SceneGenerator, front: Thing, behind: Thing): void {
  resize(behind, 'large');
  resize(front, front.size === 'large' ? 'medium' : front.size);
  const side = generator.chance(0.5) ? 1 : -1;
  const dx = side * halfWidth(behind) * generator.range(0.55, 0.8);
  const dy = halfHeight(behind) + halfHeight(front) * generator.range(-0.35, -0.1) - halfHeight(front) * 0.5;
  behind.x = clampCentre(0.5 - dx / 2, halfWidth(behind));
  behind.y = clampCentre(0.5 - dy / 2, halfHeight(behind));
  front.x = clampCentre(behind.x + dx, halfWidth(front));
  front.y = clampCentre(behind.y + dy, halfHeight(front));
}

function placeInside(generator: SceneGenerator, inner: Thing, outer: Thing): boolean {
  const pocket = SHAPES[outer.kind].pocket;
  if (pocket === undefined) return false;
  resize(outer, 'large');
  outer.side *= 1.4;
  outer.hollow = true;
  outer.x = clampCentre(0.5 + 0.05 * generator.range(-1, 1), halfWidth(outer));
  outer.y = clampCentre(0.5 + 0.05 * generator.range(-1, 1), halfHeight(outer));
  inner.size = 'small';
  inner.side = outer.side * pocket.side;
  inner.x = outer.x + ((outer.flipped ? -1 : 1) * pocket.x * outer.side) / 2;
  inner.y = outer.y + (pocket.y * outer.side) / 2;
  return true;
}

/** Two in one row, one in the other; or, mirrored, one above two. */
function placeThree(generator: SceneGenerator, things: Thing[]): Placed | undefined {
  const up = generator.chance(0.5);
  const anchors = [
    [0.26, up ? 0.28 : 0.72],
    [0.74, up ? 0.28 : 0.72],
    [0.5, up ? 0.74 : 0.26],
  ] as const;
  for (let attempt = 0; attempt < 10; attempt++) {
    things.forEach((thing, i) => {
      thing.x = clampCentre(anchors[i][0] + 0.06 * generator.range(-1, 1), halfWidth(thing));
      thing.y = clampCentre(anchors[i][1] + 0.05 * generator.range(-1, 1), halfHeight(thing));
    });
    if (things.every((a, i) => things.every((b, j) => i >= j || apart(a, b)))) return { objects: things };
  }
  return undefined;
}
