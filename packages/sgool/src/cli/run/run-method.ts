/** @file Runs a method to its end, to Ctrl-C or to its failure, into a recorder. */
import type { MethodState } from '../../methods/run/iteration.ts';
import type { Method } from '../../methods/run/method.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { ParsedRequest } from '../../request/request.ts';
import type { Progress } from '../terminal/progress.ts';
import { recordSaliency } from './record-saliency.ts';
import type { Recorder } from './recorder.ts';
import type { RunStatus, RunTask } from './run-record.ts';

/** How a run ended. */
export interface RunEnd {
  readonly status: Exclude<RunStatus, 'running'>;
  /** The thrown value, if it failed. */
  readonly failure?: unknown;
  readonly error?: string;
  readonly recorder: Recorder;
}

export interface RunParts {
  readonly pipeline: Pipeline;
  readonly method: Method;
  readonly request: ParsedRequest;
  readonly task: RunTask;
  readonly recorder: Recorder;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Where the run goes on. */
  readonly state?: MethodState;
}

/**
 * Runs a method to its end, to Ctrl-C, or to its failure, and records every iteration. Throws nothing of what goes wrong in a run:
 * the returned value says it, and the best image so far is on the disk by then.
 */
export async function runMethod(parts: RunParts): Promise<RunEnd> {
  const { recorder, signal } = parts;
  try {
    await iterate(parts);
    await recordSaliency(parts);
    await recorder.finish('done');
    return { status: 'done', recorder };
  } catch (failure) {
    const isStopped = signal.aborted && failure === signal.reason;
    const error = failure instanceof Error ? failure.message : String(failure);
    const end = isStopped ? { status: 'stopped' as const } : { status: 'failed' as const, failure, error };
    try {
      // The first failure is the one to report; it may be that of the saliency model.
      await recordSaliency(parts).catch(() => undefined);
      await recorder.finish(end.status, isStopped ? undefined : error);
    } catch {
      // On a full disk this fails as well.
    }
    return { ...end, recorder };
  }
}

async function iterate({
  method,
  pipeline,
  request,
  recorder,
  progress,
  signal,
  state,
}: RunParts): Promise<void> {
  signal.throwIfAborted();
  const { method: _, ...input } = request;
  for await (const iteration of method.run(pipeline, input, {
    signal,
    onStep: (step) => progress.step(step),
    onNote: (text) => progress.note(text),
    onState: (one) => recorder.save(one),
    ...(state && { state }),
  })) {
    await recorder.add(iteration);
    progress.iteration(iteration);
  }
}
