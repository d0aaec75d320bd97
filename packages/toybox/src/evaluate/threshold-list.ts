/** @file The thresholds that Toybox must reach, and whether a measurement reaches them. */

import { percent } from 'sgool/evaluate';

export interface Threshold {
  readonly name: string;
  /** Lowest value, highest value, or both. */
  readonly least?: number;
  readonly most?: number;
  readonly unit: 'dB' | 'share' | 'points' | 'MB' | 'number';
}

/** By the key of the stored measurement. */
export const THRESHOLDS = {
  psnr: { name: 'autoencoder: PSNR', least: 28, unit: 'dB' },
  judgeDrop: { name: 'judge: accuracy lost on reconstructions', most: 3, unit: 'points' },
  judgeThings: { name: 'judge: (thing, colour), 1 to 3 things', least: 0.98, unit: 'share' },
  judgeRelations: { name: 'judge: relations', least: 0.97, unit: 'share' },
  countingThings: { name: 'counting judge: (thing, colour), 1 to 4 things', least: 0.98, unit: 'share' },
  countingRelations: { name: 'counting judge: relations', least: 0.97, unit: 'share' },
  countingCounts: { name: 'counting judge: how many of a kind and colour', least: 0.97, unit: 'share' },
  clipA: { name: 'CLIP A: right caption of 64', least: 0.9, unit: 'share' },
  clipB: { name: 'CLIP B: right caption of 64', least: 0.9, unit: 'share' },
  clipC: { name: 'CLIP C: right caption of 64', least: 0.9, unit: 'share' },
  single: { name: 'plain generation: one thing with its colour', least: 0.9, unit: 'share' },
  pair: { name: 'plain generation: two things, held out', least: 0.45, most: 0.85, unit: 'share' },
  cc: { name: 'TranSalNet: CC', least: 0.85, unit: 'number' },
  nss: { name: 'TranSalNet: NSS', least: 1.5, unit: 'number' },
  judgeMoves: { name: 'judge: moves of rendered clips', least: 0.98, unit: 'share' },
  clipFrames: { name: 'clips: both things right, of all frames', least: 0.6, unit: 'share' },
  clipMoves: { name: 'clips: both things move as the caption says', least: 0.8, unit: 'share' },
  flowPsnr: { name: 'toybox-flow, autoencoder: PSNR', least: 31, unit: 'dB' },
  flowSingle: { name: 'toybox-flow: one thing with its colour', least: 0.9, unit: 'share' },
  flowPair: { name: 'toybox-flow: two things, held out', least: 0.7, unit: 'share' },
  flowCount: { name: 'toybox-flow: one to four equal things, held out', least: 0.7, unit: 'share' },
  flowRelation: { name: 'toybox-flow: two things and their relation, held out', least: 0.7, unit: 'share' },
  flowSize: { name: 'weights of toybox-flow', most: 25, unit: 'MB' },
  motionSize: { name: 'weights of toybox-motion', most: 10, unit: 'MB' },
  size: { name: 'weights of toybox and the judge', most: 30, unit: 'MB' },
} as const satisfies Record<string, Threshold>;

export type ThresholdKey = keyof typeof THRESHOLDS;

export interface Measurement {
  readonly value: number;
  /** How many images, questions or prompts were measured. */
  readonly of?: number;
}

export type Measurements = Readonly<Partial<Record<ThresholdKey, Measurement>>>;

/** Whether a value lies between the lowest and the highest one. NaN does not. */
export function isMet({ least = -Infinity, most = Infinity }: Threshold, value: number): boolean {
  return value >= least && value <= most;
}

function show(value: number, unit: Threshold['unit']): string {
  if (unit === 'share') return percent(value);
  const text = value.toFixed(unit === 'number' ? 3 : 2);
  return unit === 'number' ? text : `${text} ${unit}`;
}

function wanted({ least, most, unit }: Threshold): string {
  const short = (value: number) => (unit === 'share' ? `${100 * value}%` : String(value));
  if (most === undefined) return least === undefined ? '-' : `>= ${short(least)}`;
  return least === undefined ? `<= ${short(most)}` : `${short(least)} to ${short(most)}`;
}

/** A row for each threshold; a dash where it was not measured. */
export function thresholdRows(measurements: Measurements): string[][] {
  return (Object.entries(THRESHOLDS) as [ThresholdKey, Threshold][]).map(([key, threshold]) => {
    const found = measurements[key];
    if (!found) return [threshold.name, wanted(threshold), '-', '-', '-'];
    const met = isMet(threshold, found.value) ? 'yes' : 'NO';
    return [
      threshold.name,
      wanted(threshold),
      show(found.value, threshold.unit),
      String(found.of ?? '-'),
      met,
    ];
  });
}

export const THRESHOLD_HEADER = ['threshold', 'wanted', 'measured', 'of', 'met'];
