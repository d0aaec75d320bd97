/** @file Detections, relations and scores from the judge's output maps. */

import { sum } from '../../numbers.ts';
import { JUDGE_GRID, JUDGE_TRAITS } from './network.ts';
import { COLOURS, type Colour, KINDS, type Kind, type Relation } from './vocabulary.ts';

/** A detected thing. */
export interface Detection {
  readonly kind: Kind;
  readonly colour: Colour;
  /** Probability that there is such a thing, in [0, 1]. */
  readonly confidence: number;
  /** Probability of each colour, in the order of COLOURS. */
  readonly colours: readonly number[];
  /** Corners as fractions of the image's side. */
  readonly box: { readonly x0: number; readonly y0: number; readonly x1: number; readonly y1: number };
  /** Probability that another thing covers a part of it. */
  readonly covered: number;
  /** Probability that it is drawn hollow around another thing. */
  readonly hollow: number;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/**
 * The output maps of one image: heat [kinds, grid, grid], colour [grid, grid, kinds, colours], traits [grid, grid, kinds, traits].
 */
export interface JudgeMaps {
  readonly heat: Float32Array;
  readonly colour: Float32Array;
  readonly traits: Float32Array;
}

/**
 * Decodes the judge's output: detections are local peaks of the heat map, most confident first.
 *
 * @param threshold least confidence, in [0, 1]
 */
export function decodeMaps({ heat, colour, traits }: JudgeMaps, threshold = 0.4): Detection[] {
  const found: Detection[] = [];
  const cells = JUDGE_GRID * JUDGE_GRID;
  KINDS.forEach((kind, k) => {
    const at = (r: number, c: number) =>
      r < 0 || c < 0 || r >= JUDGE_GRID || c >= JUDGE_GRID ? -Infinity : heat[k * cells + r * JUDGE_GRID + c];
    for (let r = 0; r < JUDGE_GRID; r++) {
      for (let c = 0; c < JUDGE_GRID; c++) {
        const here = at(r, c);
        const confidence = sigmoid(here);
        if (confidence < threshold || !isPeak(at, r, c, here)) continue;
        const slot = (r * JUDGE_GRID + c) * KINDS.length + k;
        const colours = softmax(colour.subarray(slot * COLOURS.length, (slot + 1) * COLOURS.length));
        const [dx, dy, w, h, covered, hollow] = traits.subarray(
          slot * JUDGE_TRAITS,
          (slot + 1) * JUDGE_TRAITS,
        ) as unknown as number[];
        const [cx, cy] = [(c + dx) / JUDGE_GRID, (r + dy) / JUDGE_GRID];
        found.push({
          kind,
          colour: COLOURS[colours.indexOf(Math.max(...colours))],
          confidence,
          colours,
          box: { x0: cx - w / 2, y0: cy - h / 2, x1: cx + w / 2, y1: cy + h / 2 },
          covered: sigmoid(covered),
          hollow: sigmoid(hollow),
        });
      }
    }
  });
  return found.sort((a, b) => b.confidence - a.confidence);
}

function isPeak(at: (r: number, c: number) => number, r: number, c: number, here: number): boolean {
  for (let dr = -1; dr <= 1; dr++) {
    for (let dc = -1; dc <= 1; dc++) {
      // On a plateau the first cell in reading order is the peak.
      const before = dr < 0 || (dr === 0 && dc < 0);
      const other = at(r + dr, c + dc);
      if ((dr !== 0 || dc !== 0) && (other > here || (before && other === here))) return false;
    }
  }
  return true;
}

function softmax(logits: Float32Array): number[] {
  const top = Math.max(...logits);
  const raised = Array.from(logits, (x) => Math.exp(x - top));
  const total = sum(raised);
  return raised.map((x) => x / total);
}

/** Whether `a relation b` holds for two detections. */
export function detectedRelation(a: Detection, relation: Relation, b: Detection): boolean {
  if (relation === 'inside') return b.hollow > 0.5;
  if (relation === 'in front of') return b.covered > 0.5 && b.hollow <= 0.5;
  const [ax, ay] = [(a.box.x0 + a.box.x1) / 2, (a.box.y0 + a.box.y1) / 2];
  const [bx, by] = [(b.box.x0 + b.box.x1) / 2, (b.box.y0 + b.box.y1) / 2];
  const [dx, dy] = [bx - ax, by - ay];
  switch (relation) {
    case 'left of':
      return dx > Math.abs(dy);
    case 'right of':
      return -dx > Math.abs(dy);
    case 'above':
      return dy > Math.abs(dx);
    case 'below':
      return -dy > Math.abs(dx);
  }
}

/** How well an image matches a prompt. */
export interface Verdict {
  /** Mean over the prompt's things of P(kind) · P(colour) of the best detection for each, in [0, 1]. */
  readonly score: number;
  /** Whether every thing is detected in its colour, and the relation and the numbers, if any, are right. */
  readonly correct: boolean;
  /** Fraction of the prompt's things that are detected in their colour. */
  readonly things: number;
}

/**
 * Scores detections against the things and the relation of a prompt; each detection is matched with at most one thing.
 *
 * @param wanted `counts`: of these there must be exactly so many
 */
export function judgePrompt(
  detections: readonly Detection[],
  wanted: {
    readonly things: readonly { readonly kind: Kind; readonly colour: Colour }[];
    readonly relation?: { readonly subject: number; readonly relation: Relation; readonly object: number };
    readonly counts?: readonly { readonly kind: Kind; readonly colour: Colour; readonly count: number }[];
  },
): Verdict {
  const free = new Set(detections);
  const matched = wanted.things.map(({ kind, colour }) => {
    let best: Detection | undefined;
    let bestScore = 0;
    for (const d of free) {
      const score = d.kind === kind ? d.confidence * d.colours[COLOURS.indexOf(colour)] : 0;
      if (score > bestScore) [best, bestScore] = [d, score];
    }
    if (best) free.delete(best);
    return { detection: best, score: bestScore, right: best !== undefined && best.colour === colour };
  });
  const things = matched.filter((m) => m.right).length / Math.max(1, matched.length);
  let related = true;
  if (wanted.relation) {
    const a = matched[wanted.relation.subject]?.detection;
    const b = matched[wanted.relation.object]?.detection;
    related = a !== undefined && b !== undefined && detectedRelation(a, wanted.relation.relation, b);
  }
  const counted = (wanted.counts ?? []).every(({ kind, colour, count }) => {
    return detections.filter((d) => d.kind === kind && d.colour === colour).length === count;
  });
  const score = sum(matched.map((m) => m.score)) / Math.max(1, matched.length);
  return { score, correct: things === 1 && related && counted, things };
}
