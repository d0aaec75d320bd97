/**
 * @file Anti-aliased polygon filling with exact pixel coverage.
 *
 * Each edge adds its signed area to an accumulation buffer; a running sum along the row then is the coverage of each
 * pixel. No sorting, no supersampling. Reference: the method of font-rs (Raph Levien).
 */

export type Rgb = readonly [number, number, number];

/** Decides per pixel how much of the second colour shows, in [0, 1]; x and y are pixel centres. */
export type Pattern = (x: number, y: number) => number;

/** A square image being painted. */
export interface Canvas {
  readonly size: number;
  /** RGB in 0..255, `size * size * 3`. */
  readonly colour: Float32Array;
  /** Which object is on top of each pixel: its index plus one, 0 for background. Absent where masks are not needed. */
  readonly owner?: Uint8Array;
}

export interface Fill {
  colour: Rgb;
  /** Opacity in [0, 1], default 1. */
  alpha?: number;
  /** Second colour, mixed in by `pattern`. */
  second?: Rgb;
  pattern?: Pattern;
  /** Written to `canvas.owner` where the polygon covers at least half of the pixel. */
  owner?: number;
}

let accumulation = new Float32Array(0);

/**
 * Fills a closed polygon of either winding.
 *
 * @param points x, y pairs in pixels; may leave the canvas.
 */
export function fillPolygon(canvas: Canvas, points: ArrayLike<number>, fill: Fill): void {
  const { size } = canvas;
  let left = Infinity;
  let right = -Infinity;
  let top = Infinity;
  let bottom = -Infinity;
  for (let i = 0; i < points.length; i += 2) {
    const x = points[i];
    const y = points[i + 1];
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < top) top = y;
    if (y > bottom) bottom = y;
  }
  const x0 = Math.max(0, Math.floor(left));
  const x1 = Math.min(size, Math.ceil(right));
  const y0 = Math.max(0, Math.floor(top));
  const y1 = Math.min(size, Math.ceil(bottom));
  if (x0 >= x1 || y0 >= y1) return;
  const width = x1 - x0;
  // Two more columns: an edge on the right border spills its remainder there.
  const stride = width + 2;
  const cells = stride * (y1 - y0);
  if (accumulation.length < cells) accumulation = new Float32Array(cells);
  accumulation.fill(0, 0, cells);

  let px = points[points.length - 2];
  let py = points[points.length - 1];
  for (let i = 0; i < points.length; i += 2) {
    const x = points[i];
    const y = points[i + 1];
    addEdge(px - x0, py - y0, x - x0, y - y0, width, y1 - y0, stride);
    px = x;
    py = y;
  }
  composite(canvas, fill, x0, y0, width, y1 - y0, stride);
}

function addEdge(
  ax: number,
  ay: number,
  bx: number,
  by: number,
  width: number,
  height: number,
  stride: number,
): void {
  if (ay === by) return;
  const direction = ay < by ? 1 : -1;
  if (direction < 0) {
    let kept = ax;
    ax = bx;
    bx = kept;
    kept = ay;
    ay = by;
    by = kept;
  }
  const slope = (bx - ax) / (by - ay);
  const start = Math.max(ay, 0);
  const end = Math.min(by, height);
  let x = ax + slope * (start - ay);
  for (let row = Math.floor(start); row < end; row++) {
    const dy = Math.min(row + 1, end) - Math.max(row, start);
    const next = x + slope * dy;
    const area = dy * direction;
    let from = x < next ? x : next;
    let to = x < next ? next : x;
    x = next;
    from = from < 0 ? 0 : from > width ? width : from;
    to = to < 0 ? 0 : to > width ? width : to;
    const column = Math.floor(from);
    const line = row * stride + column;
    const last = Math.ceil(to);
    if (last <= column + 1) {
      const middle = 0.5 * (from + to) - column;
      accumulation[line] += area * (1 - middle);
      accumulation[line + 1] += area * middle;
      continue;
    }
    const perColumn = 1 / (to - from);
    const headGap = 1 - (from - column);
    const tail = to - last + 1;
    const first = 0.5 * perColumn * headGap * headGap;
    const final = 0.5 * perColumn * tail * tail;
    accumulation[line] += area * first;
    if (last === column + 2) {
      accumulation[line + 1] += area * (1 - first - final);
    } else {
      const second = perColumn * (1.5 - (from - column));
      accumulation[line + 1] += area * (second - first);
      const span = last - column;
      for (let c = 2; c < span - 1; c++) accumulation[line + c] += area * perColumn;
      const before = second + (span - 3) * perColumn;
      accumulation[line + span - 1] += area * (1 - before - final);
    }
    accumulation[line + last - column] += area * final;
  }
}

function composite(
  canvas: Canvas,
  fill: Fill,
  x0: number,
  y0: number,
  width: number,
  height: number,
  stride: number,
): void {
  const { size, colour: pixels, owner: owners } = canvas;
  const { pattern, alpha = 1, owner = 0 } = fill;
  const [r, g, b] = fill.colour;
  const [r2, g2, b2] = fill.second ?? fill.colour;
  for (let row = 0; row < height; row++) {
    let sum = 0;
    let index = (y0 + row) * size + x0;
    for (let column = 0; column < width; column++, index++) {
      sum += accumulation[row * stride + column];
      let cover = sum < 0 ? -sum : sum;
      if (cover < 0.002) continue;
      if (cover > 0.998) cover = 1;
      if (owners !== undefined && owner > 0 && cover >= 0.5) owners[index] = owner;
      const a = cover * alpha;
      const p = index * 3;
      const t = pattern === undefined ? 0 : pattern(x0 + column + 0.5, y0 + row + 0.5);
      pixels[p] += a * (r + t * (r2 - r) - pixels[p]);
      pixels[p + 1] += a * (g + t * (g2 - g) - pixels[p + 1]);
      pixels[p + 2] += a * (b + t * (b2 - b) - pixels[p + 2]);
    }
  }
}
