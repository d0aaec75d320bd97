/** @file Runs a method to its end, to Ctrl-C, or to its failure, and saves on the way. */
import { UserError } from '../../errors.ts';
import type { Method } from '../../methods/run/method.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { ParsedRequest } from '../../request/request.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import { findRegions, type Region } from '../../saliency/regions.ts';
import type { Progress } from '../terminal/progress.ts';
import type { Recorder } from './recorder.ts';
import type { RunStatus, RunTask } from './run-record.ts';

export interface RunParts {
  readonly pipeline: Pipeline;
  readonly method: Method;
  readonly request: ParsedRequest;
  readonly task: RunTask;
  readonly recorder: Recorder;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** How a run ended. */
export interface RunEnd {
  readonly status: Exclude<RunStatus, 'running'>;
  /** What was thrown, where it failed. */
  readonly failure?: unknown;
  readonly error?: string;
  readonly recorder: Recorder;
  readonly task: RunTask;
}

/** Never throws for what goes wrong in a run: the end tells it, and the best so far is on the disk by then. */
export async function runMethod(parts: RunParts): Promise<RunEnd> {
  const { recorder, task, signal } = parts;
  try {
    await iterate(parts);
    await runIterations(parts);
    await recorder.finish('done');
    return { status: 'done', recorder, task };
  } catch (failure) {
    const isStopped = signal.aborted && failure === signal.reason;
    const error = failure instanceof Error ? failure.message : String(failure);
    const end = isStopped ? { status: 'stopped' as const } : { status: 'failed' as const, failure, error };
    try {
      await runIterations(parts);
      await recorder.finish(end.status, isStopped ? undefined : error);
    } catch {
      // The first failure is the one to tell; on a full disk this one fails as well.
    }
    return { ...end, recorder, task };
  }
}

async function iterate({ method, pipeline, request, recorder, progress, signal }: RunParts): Promise<void> {
  signal.throwIfAborted();
  for await (const iteration of method.run(pipeline, request, {
    signal,
    onStep: (step) => progress.step(step),
  })) {
    await recorder.add(iteration);
    progress.iteration(iteration);
  }
}

/** Draws where the eye goes in the best image. */
async function runIterations(parts: RunParts): Promise<void> {
  const { recorder, progress } = parts;
  if (recorder.best === undefined || recorder.paths.saliency !== undefined) return;
  let seen: Seen;
  try {
    seen = await lookAtBest(parts);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    progress.warn(`no saliency.png: ${error.message}`);
    return;
  }
  await recorder.writeSaliency(seen.map, seen.regions);
}

interface Seen {
  readonly map: SaliencyMap;
  readonly regions: readonly Region[];
}

/** Methods that look have the map already; for the others it is made now. */
async function lookAtBest({ recorder, pipeline, task, request }: RunParts): Promise<Seen> {
  const best = recorder.best!;
  if (best.saliency !== undefined) return { map: best.saliency, regions: best.regions ?? [] };
  const { prompt, settings } = task;
  const { mask } = request;
  const detector = await pipeline.detector(settings.saliency, {
    prompt,
    ...(mask === undefined ? {} : { mask }),
  });
  const map = await detector.map(best.image);
  const { thresholdRule, thresholdValue, regionPadding, minRegionSide, maxRegions } = settings;
  const regions = findRegions(map, {
    rule: thresholdRule,
    value: thresholdValue,
    padding: regionPadding,
    minSide: minRegionSide,
    maxRegions,
  });
  return { map, regions };
}
