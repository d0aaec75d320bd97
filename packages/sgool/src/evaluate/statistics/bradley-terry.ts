/** @file Strengths of methods from pairwise choices with ties. */

/** Choices between two methods, by their index. */
export interface PairCounts {
  readonly a: number;
  readonly b: number;
  /** Choices of `a`, of neither, of `b`. May be weights. */
  readonly wins: number;
  readonly ties: number;
  readonly losses: number;
}

export interface Strengths {
  /** Logarithms of the strengths, with mean 0: a method that is 1 above another is chosen e times as often. */
  readonly strengths: readonly number[];
  /** ν: 0 where nobody sees a tie; the chance of a tie between equals is ν / (2 + ν). */
  readonly tie: number;
}

/** Deviation of the prior. Wide: odds of 50 to 1 are within one deviation. */
const PRIOR = 4;
const ITERATIONS = 100;
const TOLERANCE = 1e-10;

/**
 * Strengths by the model of Davidson: P(a), P(tie), P(b) are as π_a, ν √(π_a π_b), π_b. The logarithms of all π and of ν have a
 * normal prior with mean 0, so that a method that was always chosen has a strength too; the most probable values are found by
 * Newton's method, and are unique.
 *
 * References: Bradley and Terry 1952; Davidson 1970, "On extending the Bradley-Terry model to accommodate ties" (JASA 65).
 *
 * @param methods their number
 * @param prior deviation of the prior; a large one gives the maximum of the likelihood
 */
export function bradleyTerry(methods: number, counts: readonly PairCounts[], prior = PRIOR): Strengths {
  const size = methods + 1;
  let at = new Float64Array(size);
  let value = posterior(at, counts, prior);
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const { gradient, hessian } = derivatives(at, counts, prior);
    const step = solve(hessian, gradient);
    const decrement = step.reduce((total, s, i) => total + s * gradient[i], 0);
    if (decrement < TOLERANCE) break;
    let share = 1;
    for (;;) {
      const next = at.map((x, i) => x + share * step[i]);
      const found = posterior(next, counts, prior);
      if (found >= value || share < 1e-8) {
        at = next;
        value = found;
        break;
      }
      share /= 2;
    }
  }
  const thetas = [...at.subarray(0, methods)];
  const middle = thetas.reduce((total, theta) => total + theta, 0) / methods;
  return { strengths: thetas.map((theta) => theta - middle), tie: Math.exp(at[methods]) };
}

/** Chances of a win, a tie and a loss of one method against another. */
export function davidsonChances(difference: number, tie: number): [win: number, tie: number, loss: number] {
  const [win, loss] = [Math.exp(difference / 2), Math.exp(-difference / 2)];
  const total = win + tie + loss;
  return [win / total, tie / total, loss / total];
}

/** The logarithm of the posterior, but for a constant. @param at logarithms of the strengths, and last of ν */
export function posterior(at: Float64Array, counts: readonly PairCounts[], prior: number): number {
  const logTie = at[at.length - 1];
  let total = 0;
  for (const x of at) total -= x ** 2 / (2 * prior ** 2);
  for (const { a, b, wins, ties, losses } of counts) {
    const difference = at[a] - at[b];
    const most = Math.max(Math.abs(difference) / 2, logTie);
    const log =
      most +
      Math.log(Math.exp(difference / 2 - most) + Math.exp(-difference / 2 - most) + Math.exp(logTie - most));
    total += wins * (difference / 2 - log) + losses * (-difference / 2 - log) + ties * (logTie - log);
  }
  return total;
}

/** The gradient, and the negative second derivatives, which are positive definite. */
export function derivatives(at: Float64Array, counts: readonly PairCounts[], prior: number) {
  const size = at.length;
  const last = size - 1;
  const gradient = at.map((x) => -x / prior ** 2);
  const hessian = Array.from({ length: size }, (_, i) => {
    const row = new Float64Array(size);
    row[i] = 1 / prior ** 2;
    return row;
  });
  for (const { a, b, wins, ties, losses } of counts) {
    const [win, tie, loss] = davidsonChances(at[a] - at[b], Math.exp(at[last]));
    const count = wins + ties + losses;
    // The outcomes' exponents are ±1/2 of the difference, and 1 of the logarithm of ν.
    const push = (wins - losses - count * (win - loss)) / 2;
    gradient[a] += push;
    gradient[b] -= push;
    gradient[last] += ties - count * tie;
    const spread = (count * (win + loss - (win - loss) ** 2)) / 4;
    const cross = (-count * tie * (win - loss)) / 2;
    hessian[a][a] += spread;
    hessian[b][b] += spread;
    hessian[a][b] -= spread;
    hessian[b][a] -= spread;
    for (const [i, sign] of [[a, 1] as const, [b, -1] as const]) {
      hessian[i][last] += sign * cross;
      hessian[last][i] += sign * cross;
    }
    hessian[last][last] += count * tie * (1 - tie);
  }
  return { gradient, hessian };
}

/** Solves a positive definite system. Reference: Gauss; no pivots are needed. */
function solve(matrix: readonly Float64Array[], right: Float64Array): Float64Array {
  const rows = matrix.map((row) => Float64Array.from(row));
  const x = Float64Array.from(right);
  const size = x.length;
  for (let k = 0; k < size; k++) {
    for (let i = k + 1; i < size; i++) {
      const factor = rows[i][k] / rows[k][k];
      for (let j = k; j < size; j++) rows[i][j] -= factor * rows[k][j];
      x[i] -= factor * x[k];
    }
  }
  for (let k = size - 1; k >= 0; k--) {
    for (let j = k + 1; j < size; j++) x[k] -= rows[k][j] * x[j];
    x[k] /= rows[k][k];
  }
  return x;
}
