/** @file Runs one side alone on the card, until the time that is left is over. */
import { BenchProcess, type Contender } from '../runs/bench-process.ts';
import { peakWhile } from '../runs/measure.ts';
import type { RunAnswer } from '../runs/workload.ts';
import type { Measured } from './comparisons.ts';

export interface AloneOptions {
  /** Path that the names of result files begin with. */
  readonly out: string;
  readonly python?: string;
  /** Timed runs after the first. */
  readonly repeats: number;
  /** Time that is left. */
  readonly milliseconds: number;
  /** Bytes of memory that are held now, by a process with this number. */
  readonly sample: (pid: number) => Promise<number>;
}

/**
 * @throws Error with the last error that the program printed, or where the time is over
 */
export async function measureAlone(
  contender: Contender,
  { out, python, repeats, milliseconds, sample }: AloneOptions,
): Promise<Measured & { readonly results: RunAnswer['results'] }> {
  const started = performance.now();
  const process = BenchProcess.spawn(contender, python);
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('not reached in the time that was left')), milliseconds);
  });
  try {
    const work = async () => {
      await process.ready();
      const first = await process.run({ out });
      const startSeconds = (performance.now() - started) / 1000;
      const seconds: number[] = [];
      for (let i = 0; i < repeats; i++) seconds.push((await process.run({ out })).seconds);
      return { startSeconds, seconds, results: first.results };
    };
    const { peak, result } = await peakWhile(
      async () => ({ bytes: await sample(process.pid).catch(() => 0) }),
      () => Promise.race([work(), tooLate]),
    );
    return { ...result, peakBytes: peak.bytes };
  } finally {
    clearTimeout(timer);
    await process.stop();
  }
}
