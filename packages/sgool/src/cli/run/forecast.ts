/** @file The estimate before a run: its time and memory, and what helps if memory is short. */
import { existsSync } from 'node:fs';
import { freemem } from 'node:os';
import { dirname, join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { EstimateOptions, RunEstimate } from '../../methods/estimate.ts';
import type { ModelInfo } from '../../models/model-info.ts';
import type { LoadOptions } from '../../pipeline/load-pipeline.ts';
import type { MethodSettings } from '../../request/settings/index.ts';
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import type { Engine } from '../engine.ts';
import { formatBytes, formatSeconds } from '../terminal/format.ts';
import type { Progress } from '../terminal/progress.ts';

export interface ForecastParts extends Pick<EstimateOptions, 'method' | 'request'> {
  readonly engine: Engine;
  readonly options: LoadOptions;
  readonly model: ModelInfo;
  readonly settings: MethodSettings;
}

/** An option that makes a run smaller, as it is typed. */
interface Remedy {
  readonly flag: string;
  readonly options?: Partial<LoadOptions>;
  readonly settings?: Partial<SamplingSettings>;
}

/** Runs that take at least this much show their estimate; shorter ones end soon anyway. */
const SHOWN_FROM_SECONDS = 30;
const SHOWN_FROM_BYTES = 2e9;

/**
 * Estimates the run, reports it if it is long or large, and warns if memory is short.
 *
 * @returns undefined if nothing could be estimated; the run itself then says what is wrong
 */
export async function forecast(parts: ForecastParts, progress: Progress): Promise<RunEstimate | undefined> {
  const { engine, options } = parts;
  // The constants that turn counts into seconds and bytes were measured on processors in float32.
  const isKnown = (options.device ?? 'cpu') === 'cpu' && options.precision !== 'float16';
  if (!engine.estimate || !isKnown) return undefined;
  progress.status('estimating time and memory');
  try {
    const estimate = await estimateWith(parts, []);
    if (estimate.seconds >= SHOWN_FROM_SECONDS || estimate.memoryBytes >= SHOWN_FROM_BYTES) {
      progress.note(forecastLine(estimate));
    }
    const available = availableBytes();
    if (estimate.memoryBytes > available) {
      progress.warn(shortageLine(estimate, available, await firstThatFits(parts, estimate, available)));
    }
    return estimate;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

async function estimateWith(
  parts: ForecastParts,
  remedies: readonly Remedy[],
  machine?: RunEstimate['machine'],
): Promise<RunEstimate> {
  const { engine, options, model, method, request, settings } = parts;
  if (!engine.estimate) throw new Error('forecast: the engine has no estimates');
  const changed: Partial<SamplingSettings> = Object.assign({}, ...remedies.map((each) => each.settings));
  return engine.estimate(
    request.model ?? model.name,
    Object.assign({}, options, ...remedies.map((each) => each.options)),
    {
      method,
      request: { ...request, ...changed },
      iterations: settings.iterations ?? 0,
      ...(machine === undefined ? {} : { machine }),
    },
  );
}

/** `about 3 min 05 s and 5.1 GB of memory (4.2 GB of it weights), from 31.2 TFLOP at 190 GFLOP/s`; `up to` where that is the most. */
export function forecastLine({
  seconds,
  memoryBytes,
  mappedBytes,
  operations,
  atMost,
  machine,
  contention,
}: RunEstimate): string {
  const slowed = contention >= 1.5 ? `, other programs make it ${contention.toFixed(1)} times slower` : '';
  const speed = `${(operations / 1e12).toFixed(1)} TFLOP at ${(machine.flops / 1e9).toFixed(0)} GFLOP/s${slowed}`;
  return `${atMost ? 'up to' : 'about'} ${formatSeconds(seconds)} and ${formatBytes(memoryBytes)} of memory (${formatBytes(mappedBytes)} of it weights), from ${speed}`;
}

/** Options that help, and the memory that the run takes with them. */
export interface Relief {
  readonly flags: readonly string[];
  readonly memoryBytes: number;
}

/** One line for a run that does not fit. */
export function shortageLine(
  { memoryBytes }: Pick<RunEstimate, 'memoryBytes'>,
  available: number,
  relief: Relief | undefined,
): string {
  const need = `the run takes about ${formatBytes(memoryBytes)} of memory, ${formatBytes(available)} are available`;
  if (!relief) return `${need}; close other programs or take a smaller model`;
  const fits = relief.memoryBytes <= available ? '' : ', still too much';
  return `${need}; with ${relief.flags.join(' ')} it takes about ${formatBytes(relief.memoryBytes)}${fits}`;
}

/** Adds one remedy after the other until the run fits or none is left. Those that save nothing are left out. */
async function firstThatFits(
  parts: ForecastParts,
  { memoryBytes, machine }: RunEstimate,
  available: number,
): Promise<Relief | undefined> {
  let best = memoryBytes;
  const used: Remedy[] = [];
  for (const remedy of remediesOf(parts)) {
    if (best <= available) break;
    const { memoryBytes: bytes } = await estimateWith(parts, [...used, remedy], machine);
    if (bytes > 0.97 * best) continue;
    used.push(remedy);
    best = bytes;
  }
  return used.length === 0 ? undefined : { flags: used.map(({ flag }) => flag), memoryBytes: best };
}

/** The remedies, the one that harms the image least first. */
function remediesOf({ options, model, settings }: ForecastParts): Remedy[] {
  const { width, height, guidanceScale } = settings;
  const halved = [width / 2, height / 2] as const;
  return [
    ...(options.memory === 'low' ? [] : [{ flag: '--memory low', options: { memory: 'low' } as const }]),
    ...(options.variant === undefined && hasHalf(model)
      ? [{ flag: '--variant fp16', options: { variant: 'fp16' } }]
      : []),
    ...(halved.every((side) => side % model.sizeMultiple === 0)
      ? [{ flag: `--size ${halved.join('x')}`, settings: { width: halved[0], height: halved[1] } }]
      : []),
    ...(guidanceScale > 1 && !model.embedsGuidance
      ? [{ flag: '--guidance 1', settings: { guidanceScale: 1 } }]
      : []),
  ];
}

/** Whether the folder also holds the same weights in half precision. */
function hasHalf({ weightsPath }: ModelInfo): boolean {
  if (weightsPath === undefined) return false;
  const has = (variant: string) =>
    ['safetensors', 'bin'].some((end) =>
      existsSync(join(dirname(weightsPath), `diffusion_pytorch_model${variant}.${end}`)),
    );
  return has('') && has('.fp16');
}

/** Memory for this process: what it uses and what is free, but no more than the container allows. */
function availableBytes(): number {
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.min(freemem() + process.memoryUsage.rss(), limit);
}
