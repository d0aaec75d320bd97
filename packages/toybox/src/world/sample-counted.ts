/**
 * @file Draws the scenes of toybox-flow's world from a seed: half of them are scenes of `sample.ts`, with every relation equally often; in
 * the other half things are in groups that can be counted.
 */

import { COLOURS, type Colour, KINDS, type Kind, RELATIONS } from 'sgool/evaluate';
import { type Group, groupsOf, groupsRelate } from './groups.ts';
import { type Pattern, SIDE, type Size } from './kinds.ts';
import { apart, halfHeight, halfWidth, MARGIN, moveAnywhere } from './placing.ts';
import { type SampleOptions, sampleScene } from './sample.ts';
import type { Scene, Thing } from './scene.ts';
import { type SceneGenerator, sceneGenerator, shuffle } from './scene-generator.ts';
import { isHeldOutOfFlow } from './split.ts';
import { drawBackground, drawClutter } from './surroundings.ts';

/** Most things of a scene with groups. */
export const MOST_THINGS = 4;

/** What a group shall be; what is absent is drawn. */
export interface WantedGroup {
  /** 1 to 4. */
  readonly count: number;
  readonly kind?: Kind;
  readonly colour?: Colour;
}

export interface CountedOptions {
  /** The groups, at most four things in all. Default: one of one to four things, equally often, in some scenes beside a second one. */
  readonly groups?: readonly WantedGroup[];
  /** `train` leaves out held-out pairs and groups; `any` (default) has all. */
  readonly split?: 'train' | 'any';
}

const ATTEMPTS = 2000;

/**
 * Draws a scene of one or two groups. The things of a group share kind, colour, pattern and size, and none covers another.
 *
 * @throws RangeError for no group or more than four things
 * @throws Error when no scene fits: forced things that the split forbids
 */
export function sampleCountedScene(generator: SceneGenerator, options: CountedOptions = {}): Scene {
  const wanted = options.groups ?? drawCounts(generator);
  const total = wanted.reduce((sum, { count }) => sum + count, 0);
  if (wanted.some(({ count }) => count < 1) || total < 1 || total > MOST_THINGS) {
    throw new RangeError(
      `sampleCountedScene: a scene has 1 to ${MOST_THINGS} things, got ${JSON.stringify(wanted)}`,
    );
  }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const things = wanted.flatMap((group) => drawGroup(generator, group, total));
    // Two groups of one kind and colour would be one group.
    if (groupsOf(things).length !== wanted.length) continue;
    if (options.split === 'train' && isHeldOutOfFlow(things)) continue;
    placeThings(generator, things);
    shuffle(things, generator);
    const background = drawBackground(generator, undefined);
    return { background, clutter: drawClutter(generator, background), objects: things };
  }
  throw new Error(
    `sampleCountedScene: no scene fits the options, got ${JSON.stringify(options)}; ` +
      'groups must differ in kind or colour, and forced ones must belong to the split',
  );
}

/** A first group of one to four things, equally often; in two of five scenes that have room a second group. */
function drawCounts(generator: SceneGenerator): WantedGroup[] {
  const count = 1 + generator.int(MOST_THINGS);
  const room = MOST_THINGS - count;
  return room > 0 && generator.chance(0.4) ? [{ count }, { count: 1 + generator.int(room) }] : [{ count }];
}

/** How often a thing is small, medium or large where the scene has one, two, three or four of them. */
const SIZE_WEIGHTS: readonly Readonly<Record<Size, number>>[] = [
  { small: 15, medium: 40, large: 45 },
  { small: 35, medium: 65, large: 0 },
  { small: 60, medium: 40, large: 0 },
  { small: 75, medium: 25, large: 0 },
];

function drawGroup(generator: SceneGenerator, wanted: WantedGroup, total: number): Thing[] {
  const kind = wanted.kind ?? generator.pick(KINDS);
  const colour = wanted.colour ?? generator.pick(COLOURS);
  const size = generator.weighted(SIZE_WEIGHTS[total - 1]);
  const pattern: Pattern = generator.weighted({ plain: 82, striped: 9, spotted: 9 });
  return Array.from({ length: wanted.count }, () => ({
    kind,
    colour,
    size,
    pattern,
    x: 0.5,
    y: 0.5,
    side: SIDE[size] * generator.range(0.96, 1.04),
    flipped: generator.chance(0.5),
    hollow: false,
  }));
}

/** The quarters of the image, with a gap between them: left and top of each. Four things of medium size have room in them. */
const QUARTERS = [
  [MARGIN, MARGIN],
  [0.51, MARGIN],
  [MARGIN, 0.51],
  [0.51, 0.51],
] as const;
const QUARTER = 0.49 - MARGIN;

/**
 * Places things so that their boxes stay apart: anywhere, and where that leaves no room, each in a quarter of its own. In half of the
 * scenes of two groups one of them lies on one side of the other, if such places are found soon.
 */
function placeThings(generator: SceneGenerator, things: readonly Thing[]): void {
  const groups = groupsOf(things);
  const beside = groups.length === 2 && generator.chance(0.5);
  for (let attempt = 0; attempt < (beside ? 150 : 12); attempt++) {
    if (!placeAnywhere(generator, things)) continue;
    if (!beside || areBeside(things, groups[0], groups[1])) return;
  }
  const quarters = shuffle([...QUARTERS], generator);
  things.forEach((thing, i) => {
    const [left, top] = quarters[i];
    thing.x = generator.range(left + halfWidth(thing), left + QUARTER - halfWidth(thing));
    thing.y = generator.range(top + halfHeight(thing), top + QUARTER - halfHeight(thing));
  });
}

/** Puts one thing after the other where there is room. @returns false where one found none */
function placeAnywhere(generator: SceneGenerator, things: readonly Thing[]): boolean {
  return things.every((thing, i) => {
    for (let attempt = 0; attempt < 20; attempt++) {
      moveAnywhere(generator, thing);
      if (things.slice(0, i).every((other) => apart(thing, other))) return true;
    }
    return false;
  });
}

/** Whether one relation holds between every thing of a group and every thing of the other. */
function areBeside(objects: readonly Thing[], a: Group, b: Group): boolean {
  return RELATIONS.some((relation) => groupsRelate({ objects }, a, relation, b));
}

/** How often a scene without groups has which things: two in a relation, or one, two or three of any. */
const UNCOUNTED = { related: 60, one: 22, loose: 8, three: 10 } as const;

/**
 * Draws a scene of toybox-flow's world: half of them with groups, half as `sampleScene` draws them, most of those with two things that are
 * in one of the six relations, each equally often.
 *
 * @param split `train` leaves out held-out pairs and groups; `any` (default) has all
 */
export function sampleFlowScene(
  generator: SceneGenerator,
  { split = 'any' }: Pick<CountedOptions, 'split'> = {},
): Scene {
  if (generator.chance(0.5)) return sampleCountedScene(generator, { split });
  const which = generator.weighted(UNCOUNTED);
  const options: SampleOptions =
    which === 'related'
      ? { relation: generator.pick(RELATIONS) }
      : { things: which === 'one' ? 1 : which === 'loose' ? 2 : 3 };
  for (;;) {
    const scene = sampleScene(generator, { ...options, split });
    if (split === 'any' || !isHeldOutOfFlow(scene.objects)) return scene;
  }
}

/** The scene of a seed in toybox-flow's world: `sampleFlowScene` with a generator of its own. */
export function flowSceneFromSeed(seed: number, options: Pick<CountedOptions, 'split'> = {}): Scene {
  return sampleFlowScene(sceneGenerator(seed), options);
}
