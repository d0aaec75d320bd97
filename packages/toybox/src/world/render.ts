/** @file Paints a scene: background, clutter, then each thing with a rim, a pattern and its details. */

import type { Pattern as PatternName } from './kinds.ts';
import { CLUTTER, inksOf, PLAIN_TINTS, SCENERY } from './palette.ts';
import { box, ellipse, grow, type Outline, path } from './path.ts';
import { type Canvas, fillPolygon, type Pattern, type Rgb } from './raster.ts';
import type { Background, Clutter, Scene, Thing } from './scene.ts';
import { RIM, SHAPES } from './shapes.ts';

/** Where one object is seen. */
export interface ObjectMask {
  /** `size * size`, 1 where this object is on top. */
  mask: Uint8Array;
  /** Visible pixels: left, top, right and bottom, the last two exclusive; all 0 when nothing is visible. */
  box: { x0: number; y0: number; x1: number; y1: number };
  /** Number of visible pixels. */
  area: number;
}

/**
 * Paints a scene.
 *
 * @param size side in pixels.
 * @returns RGB bytes, row by row, `size * size * 3`.
 */
export function renderScene(scene: Scene, size = 128): Uint8Array {
  return toBytes(paint(scene, size));
}

/**
 * Paints a scene and says which pixels belong to which object.
 *
 * @returns the image as {@link renderScene} gives it, and one mask per object, in the order of `scene.objects`.
 */
export function renderWithMasks(scene: Scene, size = 128): { image: Uint8Array; masks: ObjectMask[] } {
  const owner = new Uint8Array(size * size);
  const canvas = paint(scene, size, owner);
  const masks = scene.objects.map((_, index): ObjectMask => {
    const mask = new Uint8Array(size * size);
    let [x0, y0, x1, y1, area] = [size, size, 0, 0, 0];
    for (let y = 0, at = 0; y < size; y++) {
      for (let x = 0; x < size; x++, at++) {
        if (owner[at] !== index + 1) continue;
        mask[at] = 1;
        area++;
        if (x < x0) x0 = x;
        if (x >= x1) x1 = x + 1;
        if (y < y0) y0 = y;
        if (y >= y1) y1 = y + 1;
      }
    }
    return { mask, box: area === 0 ? { x0: 0, y0: 0, x1: 0, y1: 0 } : { x0, y0, x1, y1 }, area };
  });
  return { image: toBytes(canvas), masks };
}

function toBytes(canvas: Canvas): Uint8Array {
  const bytes = new Uint8Array(canvas.colour.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = canvas.colour[i] + 0.5;
  return bytes;
}

let scratch = new Float32Array(0);

/** @param owner filled with the number of the object that each pixel belongs to, from 1 */
function paint(scene: Scene, size: number, owner?: Uint8Array): Canvas {
  if (scratch.length !== size * size * 3) scratch = new Float32Array(size * size * 3);
  const canvas: Canvas = { size, colour: scratch, owner };
  paintBackground(canvas, scene.background);
  for (const item of scene.clutter) paintClutter(canvas, item);
  scene.objects.forEach((thing, index) => {
    paintThing(canvas, thing, index + 1);
  });
  return canvas;
}

function paintBackground(canvas: Canvas, { kind, tint, horizon }: Background): void {
  const { size, colour: pixels } = canvas;
  const upper: Rgb = kind === 'plain' ? PLAIN_TINTS[tint] : SCENERY[kind].upper;
  const lower: Rgb = kind === 'plain' ? upper : SCENERY[kind].lower;
  for (let y = 0, at = 0; y < size; y++) {
    const t = Math.min(1, Math.max(0, y + 1 - horizon * size));
    const r = upper[0] + t * (lower[0] - upper[0]);
    const g = upper[1] + t * (lower[1] - upper[1]);
    const b = upper[2] + t * (lower[2] - upper[2]);
    for (let x = 0; x < size; x++) {
      pixels[at++] = r;
      pixels[at++] = g;
      pixels[at++] = b;
    }
  }
}

/** Clutter in units of its own width, centred. */
const CLUTTER_OUTLINES = {
  cloud: [ellipse(-0.22, 0.06, 0.26, 0.16), ellipse(0.2, 0.08, 0.28, 0.14), ellipse(0, -0.06, 0.24, 0.2)],
  twinkle: [ellipse(0, 0, 0.5)],
  moon: [path('M0.16,-0.48 C-0.62,-0.5,-0.62,0.5,0.16,0.48 C-0.2,0.3,-0.2,-0.3,0.16,-0.48')],
  tuft: [path('M-0.5,0.3 L-0.36,-0.3 L-0.16,0.1 L0,-0.5 L0.16,0.1 L0.36,-0.3 L0.5,0.3')],
  wave: [path('M-0.5,0.05 Q-0.25,-0.2,0,0.02 Q0.25,0.2,0.5,0 Q0.25,0.34,0,0.14 Q-0.25,-0.06,-0.5,0.05')],
  rug: [ellipse(0, 0, 0.5, 0.12)],
} as const;

function paintClutter(canvas: Canvas, { kind, x, y, side }: Clutter): void {
  const place = (outline: Outline) => outline.map((v, i) => ((i % 2 === 0 ? x : y) + v * side) * canvas.size);
  if (kind === 'window') {
    fillPolygon(canvas, place(box(-0.5, -0.5, 0.5, 0.5)), { colour: CLUTTER.windowFrame });
    for (const [x0, y0] of [
      [-0.42, -0.42],
      [0.04, -0.42],
      [-0.42, 0.04],
      [0.04, 0.04],
    ] as const) {
      fillPolygon(canvas, place(box(x0, y0, x0 + 0.38, y0 + 0.38)), { colour: CLUTTER.windowPane });
    }
    return;
  }
  for (const outline of CLUTTER_OUTLINES[kind]) {
    fillPolygon(canvas, place(outline), { colour: CLUTTER[kind] });
  }
}

function paintThing(canvas: Canvas, thing: Thing, owner: number): void {
  const shape = SHAPES[thing.kind];
  const parts = thing.hollow && shape.hollowParts ? shape.hollowParts : shape.parts;
  const half = (thing.side / 2) * canvas.size;
  const cx = thing.x * canvas.size;
  const cy = thing.y * canvas.size;
  const mirror = thing.flipped ? -1 : 1;
  const place = (outline: Outline) => {
    const points = new Float64Array(outline.length);
    for (let i = 0; i < points.length; i += 2) {
      points[i] = cx + mirror * outline[i] * half;
      points[i + 1] = cy + outline[i + 1] * half;
    }
    return points;
  };
  const inks = inksOf(thing.colour);
  const pattern = patternOf(thing.pattern, cx, cy, half);
  for (const part of parts) {
    if (part.rim) fillPolygon(canvas, place(grownOutline(part.outline)), { colour: inks.rim, owner });
  }
  for (const part of parts) {
    const patterned = part.ink === 'main' && pattern !== undefined;
    fillPolygon(canvas, place(part.outline), {
      colour: inks[part.ink],
      owner,
      ...(patterned && { pattern, second: inks.second }),
    });
  }
}

const grown = new WeakMap<Outline, Outline>();

function grownOutline(outline: Outline): Outline {
  let result = grown.get(outline);
  if (result === undefined) {
    result = grow(outline, RIM);
    grown.set(outline, result);
  }
  return result;
}

/** Slanted stripes, or spots on a hexagonal grid, in units of half a side; edges are one pixel soft. */
function patternOf(name: PatternName, cx: number, cy: number, half: number): Pattern | undefined {
  if (name === 'plain') return undefined;
  const soft = (distance: number) => Math.min(1, Math.max(0, 0.5 + distance * half));
  if (name === 'striped') {
    const period = 0.44;
    return (x, y) => {
      const u = ((x - cx) * 0.45 + (y - cy) * 0.9) / half / period;
      const along = Math.abs(u - Math.floor(u) - 0.5);
      return soft((0.2 - along) * period);
    };
  }
  const pitch = 0.46;
  const rowPitch = pitch * 0.866;
  return (x, y) => {
    const v = (y - cy) / half / rowPitch;
    const row = Math.round(v);
    const u = (x - cx) / half / pitch + (row & 1) * 0.5;
    const column = Math.round(u);
    const distance = Math.sqrt(((u - column) * pitch) ** 2 + ((v - row) * rowPitch) ** 2);
    return soft(0.13 - distance);
  };
}
