/** @file Clips: scenes whose things move, drawn from a seed. */

import { hop, MOVES, type MoveKind, type TrackPoint } from 'sgool/evaluate';
import { type SampleOptions, sampleScene } from './sample.ts';
import { boxOf, type Scene, type Thing } from './scene.ts';
import { type SceneGenerator, sceneGenerator } from './scene-generator.ts';

/** Frames of a clip, and how many of them are shown in a second. */
export const FRAMES = 8;
export const FPS = 8;

/** How one thing moves. */
export interface Move {
  readonly kind: MoveKind;
  /**
   * Drifts: the whole way; bounce: the height of a hop; orbit: the radius; all as shares of the image's side. Grow and shrink: the largest
   * side over the smallest. Still: 0.
   */
  readonly amount: number;
  /** Where an orbit starts, in eighths of a turn from the right, clockwise. 0 for other moves. */
  readonly phase: number;
}

/** A scene whose things move. */
export interface Clip {
  /** What is there, each thing at the middle of its way and at its largest. */
  readonly scene: Scene;
  /** One for each thing, in their order. */
  readonly moves: readonly Move[];
}

/** Which things of a clip move: all in the same way, or the first one alone. */
export type Movers = 'all' | 'first';

export interface ClipOptions extends Pick<SampleOptions, 'kinds' | 'colours' | 'split'> {
  /** Number of things. Default: one or two, equally often. */
  readonly things?: 1 | 2;
  /** How they move. Default: each way equally often. */
  readonly move?: MoveKind;
  /** Default: all or the first, equally often. */
  readonly movers?: Movers;
}

/** Smallest and largest amount of each move. */
const AMOUNTS: Readonly<Record<MoveKind, readonly [number, number]>> = {
  left: [0.22, 0.36],
  right: [0.22, 0.36],
  up: [0.22, 0.36],
  down: [0.22, 0.36],
  bounce: [0.16, 0.26],
  grow: [1.5, 1.9],
  shrink: [1.5, 1.9],
  orbit: [0.1, 0.17],
  still: [0, 0],
};

const SCENES = 400;
const MOVE_DRAWS = 20;
/** How far a thing may leave the image, and the least side of one, as shares of the image's side. */
const OUTSIDE = 0.02;
const SMALLEST = 0.24;

/** Points of a circle at eighths of a turn: no cosine, whose last bits differ between machines. */
const H = Math.SQRT1_2;
const CIRCLE = [
  [1, 0],
  [H, H],
  [0, 1],
  [-H, H],
  [-1, 0],
  [-H, -H],
  [0, -1],
  [H, -H],
] as const;

/** Where a thing is at a frame. */
function moved(thing: Thing, { kind, amount, phase }: Move, frame: number): TrackPoint {
  const { x, y, side } = thing;
  const time = frame / (FRAMES - 1);
  const along = amount * (time - 0.5);
  switch (kind) {
    case 'left':
      return { x: x - along, y, side };
    case 'right':
      return { x: x + along, y, side };
    case 'up':
      return { x, y: y - along, side };
    case 'down':
      return { x, y: y + along, side };
    case 'bounce':
      return { x, y: y + amount * (0.5 - hop(time)), side };
    case 'grow':
      return { x, y, side: side * (1 / amount + (1 - 1 / amount) * time) };
    case 'shrink':
      return { x, y, side: side * (1 - (1 - 1 / amount) * time) };
    case 'orbit': {
      const [c, s] = CIRCLE[(frame + phase) % CIRCLE.length];
      return { x: x + amount * c, y: y + amount * s, side };
    }
    case 'still':
      return { x, y, side };
  }
}

/**
 * The scene of one frame. Its relation, if it has one, is left out: it need not hold in every frame.
 *
 * @param frame 0 to {@link FRAMES} - 1
 */
export function sceneAt({ scene, moves }: Clip, frame: number): Scene {
  const { background, clutter, objects } = scene;
  return {
    background,
    clutter,
    objects: objects.map((thing, i) => ({ ...thing, ...moved(thing, moves[i], frame) })),
  };
}

/** Where a thing is in every frame. */
export function trackOf({ scene, moves }: Clip, index: number): TrackPoint[] {
  return Array.from({ length: FRAMES }, (_, frame) => moved(scene.objects[index], moves[index], frame));
}

/** Whether every thing stays in the image, large enough to be known, and clear of the others. */
function fits(clip: Clip): boolean {
  return Array.from({ length: FRAMES }, (_, frame) => sceneAt(clip, frame).objects).every((things) => {
    const boxes = things.map(boxOf);
    const inside = boxes.every(
      ({ x0, y0, x1, y1 }) => Math.min(x0, y0) >= -OUTSIDE && Math.max(x1, y1) <= 1 + OUTSIDE,
    );
    const apart = boxes.every((a, i) =>
      boxes.slice(i + 1).every((b) => Math.max(b.x0 - a.x1, a.x0 - b.x1, b.y0 - a.y1, a.y0 - b.y1) >= 0),
    );
    return inside && apart && things.every(({ side }) => side >= SMALLEST);
  });
}

function drawMove(generator: SceneGenerator, kind: MoveKind): Move {
  const [low, high] = AMOUNTS[kind];
  return {
    kind,
    amount: low === high ? low : generator.range(low, high),
    phase: kind === 'orbit' ? generator.int(CIRCLE.length) : 0,
  };
}

const STANDING: Move = { kind: 'still', amount: 0, phase: 0 };

/**
 * Draws one clip.
 *
 * @throws Error when no scene has room for the move
 */
export function sampleClip(generator: SceneGenerator, options: ClipOptions = {}): Clip {
  const { things = generator.chance(0.5) ? 1 : 2, move = generator.pick(MOVES), kinds, colours } = options;
  const movers = options.movers ?? (generator.chance(0.5) ? 'all' : 'first');
  for (let attempt = 0; attempt < SCENES; attempt++) {
    const scene = sampleScene(generator, { things, kinds, colours, split: options.split });
    // Things that cover each other cannot move apart.
    if (scene.relation?.relation === 'in front of' || scene.relation?.relation === 'inside') continue;
    for (let draw = 0; draw < MOVE_DRAWS; draw++) {
      const own = drawMove(generator, move);
      const clip: Clip = {
        scene,
        moves: scene.objects.map((_, i) => (i === 0 || movers === 'all' ? own : STANDING)),
      };
      if (fits(clip)) return clip;
    }
  }
  throw new Error(`sampleClip: no scene has room for the move, got ${JSON.stringify(options)}`);
}

/** The clip of a seed: `sampleClip` with a generator of its own. */
export function clipFromSeed(seed: number, options: ClipOptions = {}): Clip {
  return sampleClip(sceneGenerator(seed), options);
}
