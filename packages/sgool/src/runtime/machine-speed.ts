/**
 * @file How fast this machine is when nothing else runs on it, from a few runs of a program of some milliseconds, and how busy
 * it is with other work.
 */

import { type CompileOptions, type ConstantSource, compile, constant, conv2d, trace } from '@sgool/autodiff';
import { host } from '#platform';

/** How fast a machine computes when nothing else runs on it. */
export interface MachineSpeed {
  /** Floating-point operations per second of a convolution. */
  readonly flops: number;
}

const CHANNELS = 128;
const SIDE = 32;
const RUNS = 12;

/** Measures 3x3 convolutions of 128 channels; takes about 0.1 s. */
export async function measureMachine(options: CompileOptions): Promise<MachineSpeed> {
  const weight: ConstantSource = {
    dtype: 'float32',
    shape: [CHANNELS, CHANNELS, 3, 3],
    data: new Float32Array(CHANNELS * CHANNELS * 9).fill(1e-3),
  };
  const convolution = trace({ x: { shape: [1, CHANNELS, SIDE, SIDE] } }, ({ x }) => {
    const y = conv2d(x, constant(weight), undefined, { padding: 1 });
    return { y: conv2d(y, constant(weight), undefined, { padding: 1 }) };
  });
  const flops = 2 * 2 * 9 * CHANNELS ** 2 * SIDE ** 2;
  return { flops: flops / (await secondsAlone(convolution, CHANNELS * SIDE * SIDE, options)) };
}

/**
 * Time of a run on an idle machine: the fastest of several that are short enough for one of them to be uninterrupted. Processor
 * time would be too long: threads that wait for each other use it as well.
 */
async function secondsAlone(graph: ReturnType<typeof trace>, size: number, options: CompileOptions) {
  const program = await compile(graph, options);
  const inputs = { x: new Float32Array(size).fill(0.5) };
  const into = { y: new Float32Array(size) };
  await program.run(inputs, into);
  let fastest = Infinity;
  for (let i = 0; i < RUNS; i++) {
    const started = performance.now();
    await program.run(inputs, into);
    fastest = Math.min(fastest, performance.now() - started);
  }
  await program.dispose();
  return Math.max(fastest, 1e-3) / 1e3;
}

/** Processor time of this process so far in milliseconds; undefined where it is unknown, as in a browser. */
function processorTime(): number | undefined {
  const seconds = host.cpuSeconds();
  return seconds === undefined ? undefined : 1000 * seconds;
}

/**
 * Starts a clock around work that keeps one thread busy.
 *
 * @param usedTime processor time so far in milliseconds
 * @returns wall time since then over processor time: how many times longer than alone the work took; 1 where that is not known
 */
export function contentionMeter(usedTime = processorTime): () => number {
  const [started, used] = [performance.now(), usedTime()];
  return () => {
    const now = usedTime();
    if (used === undefined || now === undefined) return 1;
    return Math.max(1, (performance.now() - started) / (now - used));
  };
}
