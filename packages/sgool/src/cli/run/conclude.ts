/** @file The report at the end of a run. */
import { UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import type { Host } from '../host.ts';
import type { ImageCommand } from '../options/read-options.ts';
import { formatSeconds, resumeCommand, shownPath } from '../terminal/format.ts';
import type { Progress } from '../terminal/progress.ts';
import type { RunEnd } from './run-method.ts';
import { type RunResult, type RunTask, resultOf } from './run-record.ts';

/** What a run has left. */
export interface MadeImage {
  readonly result: RunResult;
  /** The best image. */
  readonly image: Image;
}

/** Reports the result: the path of the image or the JSON on stdout, the rest on stderr. */
export function conclude(
  end: RunEnd,
  { json }: ImageCommand,
  progress: Progress,
  exitCode: number,
  host: Host,
): MadeImage {
  const { recorder, status, failure } = end;
  const { best, task } = recorder;
  if (best === undefined) {
    if (status === 'stopped') throw new UserError('stopped before there was an image', { exitCode });
    throw failure;
  }
  const result = resultOf(task, recorder.state(status, end.error));
  if (json) host.stdout.write(`${JSON.stringify(result)}\n`);
  const kept = `the best image so far (iteration ${best.iteration}) is in ${shownPath(recorder.paths.folder, host)}`;
  if (status === 'stopped') {
    const goOn = resumeCommand(recorder.paths.folder, host);
    throw new UserError(`stopped; ${kept}; to go on: ${goOn}`, { exitCode });
  }
  if (status === 'failed') {
    if (failure instanceof UserError) {
      throw new UserError(`${failure.message}; ${kept}`, { exitCode: failure.exitCode, cause: failure });
    }
    progress.note(kept);
    throw failure;
  }
  progress.note(summary(task, result));
  const { folder, image = folder, video = image } = recorder.paths;
  if (!json) host.stdout.data(`${shownPath(video, host)}\n`);
  return { result, image: best.image };
}

function summary({ seed }: RunTask, { clip, seconds, bestIteration, loss }: RunResult): string {
  const scores = (['A', 'B'] as const).flatMap((name) => {
    const [before, after] = [clip.before[name], clip.after[name]];
    if (before === undefined || after === undefined) return [];
    return [`CLIP ${name} ${before.toFixed(2)} -> ${after.toFixed(2)}`];
  });
  const best = loss.length > 1 ? [`best: iteration ${bestIteration} of ${loss.length - 1}`] : [];
  return [...scores, ...best, `seed ${seed}`, formatSeconds(seconds)].join(', ');
}
