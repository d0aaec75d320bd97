/** @file What the UNet reaches of the fastest product of matrices that either program can do on this machine. */
import { type Bench, contender } from './bench.ts';
import { tell } from './log.ts';
import { type Times, timeInTurns } from './measuring.ts';
import { modelFlops } from './model-flops.ts';
import type { Pair } from './rows.ts';
import { type Line, median } from './verdicts.ts';

const MATRIX_SIZE = 2048;
const REPEATS = 10;

/** By work: which operations count, and the share that is to be reached. */
const SHARES = {
  'unet forward': { flops: 'forward', goal: 0.7 },
  'unet pullback': { flops: 'pullback', goal: 0.6 },
} as const;

/** @param measured pairs, and their lines in the same order */
export async function shareLines(
  bench: Bench,
  measured: readonly Pair[],
  lines: readonly Line[],
): Promise<Line[]> {
  const float32 = measured
    .map((pair, i) => [pair, lines[i]] as const)
    .filter(([{ work, results }, { ours }]) => work in SHARES && !results && ours);
  if (float32.length === 0) return [];
  tell('the peak of the machine: products of matrices');
  const product = await productLine(bench);
  const peak = 1e9 * Math.max(product.ours, product.peer ?? 0);
  const shares: Line[] = [product];
  for (const name of new Set(float32.map(([pair]) => pair.name))) {
    const rows = float32.filter(([pair]) => pair.name === name);
    const [{ work, pixels }] = rows[0];
    const { flops, goal } = SHARES[work as keyof typeof SHARES];
    const useful = (await modelFlops((await contender(bench, 'ours', { work, pixels })).work))[flops];
    const ours = useful / median(rows.flatMap(([, { runs }]) => runs!.ours)) / peak;
    const peers = rows.flatMap(([, { peer }]) => peer ?? []);
    shares.push({
      name: `share of matmul peak: ${name}`,
      beside: 'machine',
      unit: '%',
      ours,
      ...(peers.length > 0 ? { peer: useful / Math.min(...peers) / peak } : {}),
      peerName: 'PyTorch',
      ratio: ours,
      goal,
      sense: 'at least',
    });
  }
  return shares;
}

/** The fastest product of matrices of either program, ours with and without a constant: the fastest of all is the peak. */
async function productLine(bench: Bench) {
  const product = { work: 'matmul', matrixSize: MATRIX_SIZE, pixels: 8 } as const;
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
    beside: 'machine',
    unit: 'GFLOP/s',
    ours: Math.max(rate(own), rate(constant)),
    peer: peer && rate(peer),
    peerName: 'PyTorch',
  } as const;
}
