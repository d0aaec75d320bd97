/** @file The rows of the table: which two of the measured sides are compared, by which figure, and with which goal. */
import type { Line, Unit } from '../runs/verdicts.ts';
import type { ContestantName } from './contestants.ts';

/** What was measured of one side. */
export interface Measured {
  /** From the start of its process to the end of the first run. */
  readonly startSeconds: number;
  /** Of each run after the first. */
  readonly seconds: readonly number[];
  /** Most memory that it held. */
  readonly peakBytes: number;
}

export type Outcome = Measured | { readonly failed: string };

export interface Comparison {
  readonly name: string;
  readonly figure: 'time' | 'start' | 'memory' | 'likeness';
  readonly ours: ContestantName;
  readonly other: ContestantName;
  readonly otherName: string;
  readonly goal?: number;
}

const CAREFUL = 'careful PyTorch';
const PUBLISHED = 'DOODL as published';

/** Time and memory of an iteration in one precision. */
function iteration(precision: 'float32' | 'tf32' | 'float16'): Comparison[] {
  const sides = { ours: `ours, ${precision}`, other: `careful, ${precision}`, otherName: CAREFUL } as const;
  return [
    { ...sides, name: `iteration, ${precision}`, figure: 'time', goal: 0.75 },
    { ...sides, name: `memory on the card, ${precision}`, figure: 'memory', goal: 1.2 },
  ];
}

export const COMPARISONS: readonly Comparison[] = [
  ...iteration('float32'),
  ...iteration('tf32'),
  ...iteration('float16'),
  {
    name: 'iteration, float16 and tf32',
    figure: 'time',
    ours: 'ours, float16',
    other: 'ours, tf32',
    otherName: 'sgool in tf32',
    goal: 0.6,
  },
  {
    name: 'process start to first picture, float32',
    figure: 'start',
    ours: 'ours, picture',
    other: 'careful, picture',
    otherName: CAREFUL,
    goal: 1,
  },
  {
    name: 'picture of the card and of the processor, Toybox, 3 iterations',
    figure: 'likeness',
    ours: 'ours, toybox',
    other: 'processor, toybox',
    otherName: 'sgool on the processor',
    goal: 45,
  },
  {
    name: 'iteration, tf32',
    figure: 'time',
    ours: 'ours, tf32',
    other: 'published, tf32',
    otherName: PUBLISHED,
  },
  {
    name: 'iteration, float16',
    figure: 'time',
    ours: 'ours, float16',
    other: 'published, float16',
    otherName: PUBLISHED,
  },
  {
    name: 'iteration, WebGPU and CUDA, float32',
    figure: 'time',
    ours: 'ours, webgpu',
    other: 'ours, float32',
    otherName: 'sgool on CUDA',
    goal: 2.5,
  },
];

const UNITS: Readonly<Record<Comparison['figure'], Unit>> = {
  time: 's',
  start: 's',
  memory: 'GB',
  likeness: 'dB',
};

const fastest = (seconds: readonly number[]) => Math.min(...seconds);

/** The figure of one side. */
function figureOf({ startSeconds, seconds, peakBytes }: Measured, figure: Comparison['figure']): number {
  if (figure === 'memory') return peakBytes / 1e9;
  return figure === 'start' ? startSeconds : fastest(seconds);
}

/** How alike the results of two sides are. */
export interface Alike {
  /** See `agreement` of verdicts.ts. */
  readonly agreement?: number;
  /** Of pictures, in dB. */
  readonly decibels?: number;
}

/** One row. A side that was not measured leaves it without a ratio; the row says why. */
export function lineOf(
  { name, figure, otherName, goal }: Comparison,
  ours: Outcome,
  other: Outcome,
  alike: Alike,
): Line {
  const line = { name, peerName: otherName, unit: UNITS[figure], goal };
  const reference = otherName.startsWith('sgool') ? 'itself' : 'peer';
  const missing = [ours, other].flatMap((side) => ('failed' in side ? [side.failed] : []));
  const failed = missing.length === 0 ? {} : { failed: missing.join('; ') };
  if (figure === 'likeness') {
    return { ...line, reference, sense: 'at least', ours: alike.decibels, ratio: alike.decibels, ...failed };
  }
  const figures = [ours, other].map((side) => ('failed' in side ? undefined : figureOf(side, figure)));
  const [a, b] = figures;
  return {
    ...line,
    reference,
    ...failed,
    ours: a,
    peer: b,
    ratio: a === undefined || b === undefined ? undefined : a / b,
    ...(figure === 'time' && reference === 'peer' ? { agreement: alike.agreement } : {}),
  };
}

/** Same bytes count as this much, so that the figure is a number. */
const SAME_PICTURE = 99;

/** Peak signal-to-noise ratio of eight-bit pictures in dB, at most 99. */
export function decibels(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += (a[i] - b[i]) ** 2;
  return Math.min(SAME_PICTURE, 10 * Math.log10((255 ** 2 * a.length) / total));
}
