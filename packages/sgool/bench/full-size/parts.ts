/** @file What is measured of a full-size model, each part in a process of its own. */
import { readFileSync } from 'node:fs';
import { loadPipeline, methods, type Pipeline } from 'sgool/guidance';

export interface PartResult {
  /** Wall time of each stage in seconds. */
  readonly seconds: Readonly<Record<string, number>>;
  /** Highest resident memory of the process, weights in mapped files included. */
  readonly peakBytes: number;
  /** At the end: on the heap and in mapped files. */
  readonly heapBytes: number;
  readonly mappedBytes: number;
  /** What the estimate said, where the part is a run. */
  readonly checks: Readonly<Record<string, number>>;
}

type Clock = <T>(stage: string, work: () => Promise<T>) => Promise<T>;
type Part = (pipeline: Pipeline, clock: Clock) => Promise<Readonly<Record<string, number>>>;

const PROMPT = 'a red cat to the left of a blue boat';

const square = (side: number) => ({ width: side, height: side });

/** Guided steps of the UNet, a batch of two: the first compiles and faults the weights in. */
function step(side: number, guidanceScale = 7.5): Part {
  return async (pipeline, clock) => {
    const denoiser = await clock('text', () =>
      pipeline.denoiser({ prompt: PROMPT, guidanceScale, ...square(side) }),
    );
    const noise = noiseOf(pipeline, side);
    await clock('first', () => denoiser.predict(noise, 500));
    const prediction = await clock('again', () => denoiser.predict(noise, 500));
    return { deviation: deviation(prediction) };
  };
}

/** A pullback through the UNet, one prompt. */
function pullback(side: number): Part {
  return async (pipeline, clock) => {
    const denoiser = await clock('text', () =>
      pipeline.denoiser({ prompt: PROMPT, guidanceScale: 1, ...square(side) }),
    );
    const noise = noiseOf(pipeline, side);
    const cotangent = noise.toReversed();
    await clock('first', () => denoiser.pullback(noise, 500, cotangent));
    const gradient = await clock('again', () => denoiser.pullback(noise, 500, cotangent));
    return { deviation: deviation(gradient) };
  };
}

/** Plain generation up to the picture, and the CLIP that scores it. */
function plain(side: number): Part {
  return async (pipeline, clock) => {
    const request = { prompt: PROMPT, seed: 1, steps: 4, ...square(side) };
    let deviationOfPicture = 0;
    await clock('run', async () => {
      for await (const { image } of methods.sd.run(pipeline, request))
        deviationOfPicture = deviation(image.data);
    });
    return { deviation: deviationOfPicture };
  };
}

/** One iteration of SGOOL: plain picture, gradient back to the noise, and the picture of the new noise. */
const sgool: Part = async (pipeline, clock) => {
  const request = {
    prompt: PROMPT,
    seed: 1,
    steps: 4,
    iterations: 1,
    sampler: 'ddim',
    trajectory: 'checkpointed',
    ...square(256),
  } as const;
  const numbers: Record<string, number> = {};
  await clock('run', async () => {
    for await (const { iteration, loss, seconds } of methods.sgool.run(pipeline, request)) {
      numbers[`loss ${iteration}`] = loss?.total ?? Number.NaN;
      numbers[`seconds ${iteration}`] = seconds.iteration;
    }
  });
  return numbers;
};

export const PARTS: Readonly<Record<string, Part>> = {
  load: async () => ({}),
  'step 256': step(256),
  'step 512': step(512),
  'pullback 256': pullback(256),
  'pullback 512': pullback(512),
  'plain 256': plain(256),
  'plain 512': plain(512),
  'sgool 256': sgool,
};

/** Runs one part in this process. */
export async function runPart(
  name: string,
  folder: string,
  { threads, variant }: { threads: number; variant?: string },
): Promise<PartResult> {
  const seconds: Record<string, number> = {};
  const clock: Clock = async (stage, work) => {
    const started = performance.now();
    const result = await work();
    seconds[stage] = (performance.now() - started) / 1000;
    return result;
  };
  const pipeline = await clock('load', () =>
    loadPipeline(folder, { threads, ...(variant === undefined ? {} : { variant }) }),
  );
  const checks = await PARTS[name]!(pipeline, clock);
  const memory = residentMemory();
  await pipeline.dispose();
  return { seconds, checks, ...memory };
}

/** Linux only: other systems do not tell the peak with mapped pages. */
function residentMemory() {
  const status = readFileSync('/proc/self/status', 'utf8');
  const bytes = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  return { peakBytes: bytes('VmHWM'), heapBytes: bytes('RssAnon'), mappedBytes: bytes('RssFile') };
}

function noiseOf(pipeline: Pipeline, side: number): Float64Array {
  const size = pipeline.latentShape(square(side)).reduce((product, length) => product * length, 1);
  return Float64Array.from({ length: size }, (_, i) => 1.4 * Math.sin(i * i + 1));
}

function deviation(values: ArrayLike<number>): number {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    squares += values[i]! ** 2;
  }
  return Math.sqrt(squares / values.length - (sum / values.length) ** 2);
}
