/** @file Outlines as flat lists of points: a small reader for SVG-like paths, ellipses, and growing an outline. */

/** Closed outline: x, y pairs. */
export type Outline = readonly number[];

const CURVE_STEPS = 7;

/**
 * Flattens a path of absolute `M L Q C Z` commands (spaces or commas between numbers) into one closed outline.
 *
 * @throws Error for any other command.
 */
export function path(text: string): Outline {
  const points: number[] = [];
  for (const [, command, rest] of text.matchAll(/([A-Za-z])([^A-Za-z]*)/g)) {
    const n = (rest.match(/-?\d*\.?\d+/g) ?? []).map(Number);
    if (command === 'Z') continue;
    if (command === 'M' || command === 'L') {
      points.push(...n);
      continue;
    }
    const degree = command === 'Q' ? 2 : command === 'C' ? 3 : 0;
    if (degree === 0) throw new Error(`path: unknown command, got '${command}'; use one of M L Q C Z`);
    for (let at = 0; at < n.length; at += degree * 2) {
      const control = [...points.slice(-2), ...n.slice(at, at + degree * 2)];
      for (let step = 1; step <= CURVE_STEPS; step++) points.push(...bezier(control, step / CURVE_STEPS));
    }
  }
  return points;
}

/** An ellipse as a polygon; `turn` tilts it, in degrees clockwise. */
export function ellipse(cx: number, cy: number, rx: number, ry = rx, turn = 0): Outline {
  const count = Math.max(rx, ry) > 0.35 ? 32 : Math.max(rx, ry) > 0.15 ? 20 : 12;
  const c = Math.cos((turn * Math.PI) / 180);
  const s = Math.sin((turn * Math.PI) / 180);
  const points: number[] = [];
  for (let i = 0; i < count; i++) {
    const angle = (2 * Math.PI * i) / count;
    const x = rx * Math.cos(angle);
    const y = ry * Math.sin(angle);
    points.push(cx + c * x - s * y, cy + s * x + c * y);
  }
  return points;
}

/** A rectangle with rounded corners. */
export function box(x0: number, y0: number, x1: number, y1: number, r = 0): Outline {
  if (r === 0) return [x0, y0, x1, y0, x1, y1, x0, y1];
  return path(
    `M${x0 + r},${y0} L${x1 - r},${y0} Q${x1},${y0},${x1},${y0 + r} L${x1},${y1 - r} Q${x1},${y1},${x1 - r},${y1} ` +
      `L${x0 + r},${y1} Q${x0},${y1},${x0},${y1 - r} L${x0},${y0 + r} Q${x0},${y0},${x0 + r},${y0}`,
  );
}

/** A thick line from point to point, with square ends. */
export function stroke(points: readonly number[], width: number): Outline {
  const there: number[] = [];
  const back: number[] = [];
  const count = points.length / 2;
  for (let i = 0; i < count; i++) {
    const a = Math.max(0, i - 1);
    const b = Math.min(count - 1, i + 1);
    const dx = points[2 * b] - points[2 * a];
    const dy = points[2 * b + 1] - points[2 * a + 1];
    const scale = width / 2 / Math.hypot(dx, dy);
    there.push(points[2 * i] - dy * scale, points[2 * i + 1] + dx * scale);
    back.unshift(points[2 * i] + dy * scale, points[2 * i + 1] - dx * scale);
  }
  return [...there, ...back];
}

/** The outline moved outward by `distance`, corners mitred (at most twice the distance). */
export function grow(outline: Outline, distance: number): Outline {
  const count = outline.length / 2;
  let area = 0;
  for (let i = 0; i < count; i++) {
    const j = (i + 1) % count;
    area += outline[2 * i] * outline[2 * j + 1] - outline[2 * j] * outline[2 * i + 1];
  }
  const outward = area > 0 ? distance : -distance;
  const points: number[] = [];
  for (let i = 0; i < count; i++) {
    const a = (i + count - 1) % count;
    const b = (i + 1) % count;
    const [nx, ny] = normal(outline, a, i);
    const [mx, my] = normal(outline, i, b);
    // The mitre along n + m has length distance / cos(half the turn).
    const length = Math.max(0.5, 1 + nx * mx + ny * my);
    points.push(outline[2 * i] + (outward * (nx + mx)) / length);
    points.push(outline[2 * i + 1] + (outward * (ny + my)) / length);
  }
  return points;
}

function normal(outline: Outline, a: number, b: number): [number, number] {
  const dx = outline[2 * b] - outline[2 * a];
  const dy = outline[2 * b + 1] - outline[2 * a + 1];
  const length = Math.hypot(dx, dy) || 1;
  return [dy / length, -dx / length];
}

function bezier(control: number[], t: number): [number, number] {
  let row = control;
  while (row.length > 2) {
    const next: number[] = [];
    for (let i = 0; i + 2 < row.length; i++) next.push(row[i] + t * (row[i + 2] - row[i]));
    row = next;
  }
  return [row[0], row[1]];
}
