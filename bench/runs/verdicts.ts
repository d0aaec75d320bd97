/** @file Whether both sides compute the same, and whether a goal is met. */

/** Results of both sides agree at least this well, or the row fails. */
const LEAST_AGREEMENT = 0.9999;

/** Cosine of two results. For single numbers, whose cosine is always 1 or -1: 1 minus their relative difference. */
export function agreement(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length)
    throw new RangeError(
      `agreement: the results have ${a.length} and ${b.length} values; they must have as many`,
    );
  if (a.length === 1) return 1 - Math.abs(a[0] - b[0]) / Math.abs(b[0]);
  let [product, lengthA, lengthB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i] * b[i];
    lengthA += a[i] ** 2;
    lengthB += b[i] ** 2;
  }
  return product / Math.sqrt(lengthA * lengthB);
}

export type Verdict = 'met' | 'NOT met' | 'results differ' | '';
export type Unit = 's' | 'GB' | '%' | 'GFLOP/s' | 'dB';

/** One row of the outcome. */
export interface Line {
  readonly name: string;
  /** What ours is compared with: a peer, the machine's peak, or ours with fewer steps. */
  readonly reference: 'peer' | 'machine' | 'itself';
  readonly unit: Unit;
  /** Medians of time, peaks of memory, rates, or model FLOPs utilisation. */
  readonly ours?: number;
  readonly peer?: number;
  readonly peerName: string;
  /** The figure that the goal limits: ours / peer, or our utilisation. */
  readonly ratio?: number;
  readonly goal?: number;
  /** Whether `ratio` is to be `at most` (default) or `at least` the goal. */
  readonly sense?: 'at most' | 'at least';
  /** The least agreement of the results; see `agreement`. */
  readonly agreement?: number;
  /** Whether the results must be the same. */
  readonly same?: boolean;
  /** Why it could not be measured. */
  readonly failed?: string;
  /** Seconds of each run. */
  readonly runs?: { readonly ours: readonly number[]; readonly peer?: readonly number[] };
}

export type JudgedLine = Line & { readonly verdict: Verdict };

/**
 * The lines with verdicts. Of several lines with one name and a goal, the one with the best peer gets the verdict; the others are
 * listed without one.
 */
export function judged(lines: readonly Line[]): JudgedLine[] {
  return lines.map((line) => {
    const { name, ratio, goal, sense } = line;
    if (line.same && line.agreement !== undefined && !(line.agreement >= LEAST_AGREEMENT)) {
      return { ...line, verdict: 'results differ' };
    }
    const rivals = lines.filter((other) => other.name === name && other.goal !== undefined);
    const hardest = Math.max(...rivals.map((other) => other.ratio ?? 0));
    if (goal === undefined || ratio === undefined || ratio < hardest) {
      return { ...line, verdict: '' };
    }
    const met = sense === 'at least' ? ratio >= goal : ratio <= goal;
    return { ...line, verdict: met ? 'met' : 'NOT met' };
  });
}
