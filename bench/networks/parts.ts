/** @file What is measured of a full-size model, each part in a process of its own. */
import { readFileSync } from 'node:fs';
import { sizeOf } from '@sgool/autodiff';
import {
  estimateRun,
  type GenerationRequest,
  type LoadOptions,
  loadPipeline,
  type Method,
  methods,
  type Pipeline,
  type RunEstimate,
} from 'sgool';
import { standardDeviation } from 'sgool/evaluate';

export interface PartResult {
  /** Wall time of each stage in seconds. */
  readonly seconds: Readonly<Record<string, number>>;
  /** Processor time of the part, all threads. */
  readonly processorSeconds: number;
  /** Highest resident memory as the system counts it: a file that two programs map counts twice. */
  readonly peakBytes: number;
  /** Highest resident memory without mapped files, sampled every 50 ms. */
  readonly peakHeapBytes: number;
  /** Mapped files in memory at the end; each mapping counts. */
  readonly mappedBytes: number;
  /** The library's estimate, if the part is a whole run. */
  readonly estimate?: RunEstimate;
  readonly checks: Readonly<Record<string, number>>;
}

export interface PartOptions extends Pick<LoadOptions, 'variant' | 'memory'> {
  readonly threads: number;
}

type Clock = <T>(stage: string, work: () => Promise<T>) => Promise<T>;
type Checks = Readonly<Record<string, number>>;

interface Part {
  /** The run, if the part is one: for the estimate. */
  readonly run?: { readonly method: Method; readonly request: GenerationRequest };
  measure(pipeline: Pipeline, clock: Clock): Promise<Checks>;
}

const PROMPT = 'a red cat to the left of a blue boat';

const square = (side: number) => ({ width: side, height: side });

/** Steps of the network, guided by two prompts unless the scale is 1. The first one compiles the program and reads the weights. */
function step(side: number, frames = 1, guidanceScale = 7.5): Part {
  return {
    async measure(pipeline, clock) {
      const denoiser = await clock('text', () =>
        pipeline.denoiser({ prompt: PROMPT, guidanceScale, frames, ...square(side) }),
      );
      const noise = noiseOf(denoiser.latentShape);
      await clock('first', () => denoiser.predict(noise, 500));
      const prediction = await clock('again', () => denoiser.predict(noise, 500));
      return { deviation: standardDeviation(prediction) };
    },
  };
}

/** A pullback through the network, one prompt. */
function pullback(side: number, frames = 1): Part {
  return {
    async measure(pipeline, clock) {
      const denoiser = await clock('text', () =>
        pipeline.denoiser({ prompt: PROMPT, guidanceScale: 1, frames, ...square(side) }),
      );
      const noise = noiseOf(denoiser.latentShape);
      const cotangent = noise.toReversed();
      await clock('first', () => denoiser.pullback(noise, 500, cotangent));
      const gradient = await clock('again', () => denoiser.pullback(noise, 500, cotangent));
      return { deviation: standardDeviation(gradient) };
    },
  };
}

/** A whole run, its iterations one by one. */
function wholeRun(method: Method, settings: Partial<GenerationRequest>): Part {
  const request = { prompt: PROMPT, seed: 1, steps: 4, ...settings };
  return {
    run: { method, request },
    async measure(pipeline, clock) {
      const numbers: Record<string, number> = {};
      await clock('run', async () => {
        for await (const { iteration, image, loss, seconds } of method.run(pipeline, request)) {
          numbers[`seconds ${iteration}`] = seconds.iteration;
          numbers[`deviation ${iteration}`] = standardDeviation(image.data);
          if (loss) numbers[`loss ${iteration}`] = loss.total;
        }
      });
      return numbers;
    },
  };
}

/** Plain generation up to the image, and the CLIP that scores it. */
const plain = (side: number) => wholeRun(methods.sd, square(side));

/** One iteration: the plain image, the gradient with respect to the noise, and the image of the new noise. */
const sgool = (side: number) =>
  wholeRun(methods.sgool, { iterations: 1, sampler: 'ddim', trajectory: 'checkpointed', ...square(side) });

export const PARTS: Readonly<Record<string, Part>> = {
  load: { measure: async () => ({}) },
  'step 256': step(256),
  'step 512': step(512),
  // Under one prompt, as flows are run that were distilled.
  'forward 256': step(256, 1, 1),
  'forward 512': step(512, 1, 1),
  'pullback 256': pullback(256),
  'pullback 512': pullback(512),
  // Of models with a motion adapter.
  'step 8x256': step(256, 8),
  'step 32x256': step(256, 32),
  'pullback 8x256': pullback(256, 8),
  'pullback 32x256': pullback(256, 32),
  'plain 256': plain(256),
  'plain 512': plain(512),
  'sgool 256': sgool(256),
  'sgool 512': sgool(512),
};

/** Runs one part in this process. */
export async function runPart(name: string, folder: string, options: PartOptions): Promise<PartResult> {
  const part = PARTS[name];
  const seconds: Record<string, number> = {};
  const clock: Clock = async (stage, work) => {
    const started = performance.now();
    const result = await work();
    seconds[stage] = (performance.now() - started) / 1000;
    return result;
  };
  let peakHeapBytes = 0;
  const measure = () => {
    peakHeapBytes = Math.max(peakHeapBytes, statusBytes('RssAnon'));
  };
  const sampling = setInterval(measure, 50);
  const pipeline = await clock('load', () => loadPipeline(folder, options));
  const checks = await part.measure(pipeline, clock);
  clearInterval(sampling);
  measure();
  const { user, system } = process.cpuUsage();
  const result = {
    seconds,
    processorSeconds: (user + system) / 1e6,
    checks,
    peakBytes: statusBytes('VmHWM'),
    peakHeapBytes,
    mappedBytes: statusBytes('RssFile'),
  };
  await pipeline.dispose();
  if (!part.run) return result;
  const estimate = await estimateRun({
    ...part.run,
    iterations: part.run.request.iterations ?? 0,
    open: (programs) => loadPipeline(folder, { ...options, programs }),
  });
  return { ...result, estimate };
}

/** A figure of /proc/self/status. Linux only: other systems do not count mapped files separately. */
function statusBytes(key: string): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
}

function noiseOf(shape: readonly number[]): Float64Array {
  return Float64Array.from({ length: sizeOf(shape) }, (_, i) => 1.4 * Math.sin(i * i + 1));
}
