/**
 * @file Model FLOPs utilisation of the UNet: its model FLOPs per second as a share of the machine's peak, which is the fastest
 * matrix product that either program reaches.
 */
import { median, networkModelFlops } from 'sgool/evaluate';
import { type Bench, contender } from './contender.ts';
import { log } from './log.ts';
import { type Times, timeInTurns } from './measure.ts';
import type { Pair } from './pairs.ts';
import type { Line } from './verdicts.ts';

const MATRIX_SIZE = 2048;
const REPEATS = 10;

/** By workload: which model FLOPs count, and the utilisation to reach. */
const GOALS = {
  forward: { flops: 'forward', goal: 0.7 },
  pullback: { flops: 'pullback', goal: 0.6 },
} as const;

/** @param measured pairs, and their lines in the same order */
export async function utilisationLines(
  bench: Bench,
  measured: readonly Pair[],
  lines: readonly Line[],
): Promise<Line[]> {
  const float32 = measured.flatMap(({ name, workload, model, pixels, results }, i) => {
    const { runs, peer } = lines[i];
    const isUNet = model === undefined && (workload === 'forward' || workload === 'pullback');
    return isUNet && !results && runs ? [{ name, pixels, runs, peer, ...GOALS[workload], workload }] : [];
  });
  if (float32.length === 0) return [];
  log("the machine's peak: matrix products");
  const product = await productLine(bench);
  const peak = 1e9 * Math.max(product.ours, product.peer ?? 0);
  const shares: Line[] = [product];
  for (const name of new Set(float32.map((row) => row.name))) {
    const rows = float32.filter((row) => row.name === name);
    const [{ workload, pixels, flops, goal }] = rows;
    const { folder, prompt, guidanceScale } = (await contender(bench, 'ours', { workload, pixels })).workload;
    const call = { prompt, guidanceScale, width: pixels, height: pixels };
    const needed = (await networkModelFlops(folder, call))[flops];
    const ours = needed / median(rows.flatMap(({ runs }) => runs.ours)) / peak;
    const peers = rows.flatMap(({ peer }) => peer ?? []);
    shares.push({
      name: `model FLOPs utilisation: ${name}`,
      reference: 'machine',
      unit: '%',
      ours,
      ...(peers.length > 0 ? { peer: needed / Math.min(...peers) / peak } : {}),
      peerName: 'PyTorch',
      ratio: ours,
      goal,
      sense: 'at least',
    });
  }
  return shares;
}

/** The fastest matrix product of either program, ours with and without a constant operand. */
async function productLine(bench: Bench) {
  const product = { workload: 'matmul', matrixSize: MATRIX_SIZE, pixels: 8 } as const;
  const all = [
    await contender(bench, 'ours', product),
    await contender(bench, 'ours', { ...product, variant: 'constant operand' }),
  ];
  if (bench.python !== undefined) all.push(await contender(bench, 'peer', product));
  const { times } = await timeInTurns(all, { ...bench, repeats: REPEATS });
  const rate = ({ seconds }: Times) => (2 * MATRIX_SIZE ** 3) / Math.min(...seconds) / 1e9;
  const [own, constant, peer] = times;
  return {
    name: `product of two matrices of ${MATRIX_SIZE} rows`,
    reference: 'machine',
    unit: 'GFLOP/s',
    ours: Math.max(rate(own), rate(constant)),
    peer: peer && rate(peer),
    peerName: 'PyTorch',
  } as const;
}
