/** @file `sgool resume <folder>`: goes on with a run or a series. */
import { basename, dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../../errors.ts';
import type { VideoFormat } from '../../image/video/encode-video.ts';
import type { Host } from '../host.ts';
import { clipName } from '../run/clips.ts';
import { resumeFineTuning } from '../run/fine-tuning.ts';
import { TRAINING_FILES } from '../run/fine-tuning-folder.ts';
import { FILES, SERIES_FILES } from '../run/output-folder.ts';
import { type ResumeFlags, resumeRun } from '../run/resume.ts';
import { type RunFile, readRunFile } from '../run/run-file.ts';
import { FINETUNE_KIND } from '../run/run-record.ts';
import { StateFolder } from '../run/saved-state.ts';
import { resumeSeries } from '../run/series.ts';
import { shownPath } from '../terminal/format.ts';

const NOTES = `
The run goes on after the last iteration that it finished, and ends with the same
files as if nothing had happened; only times differ. Model, settings and images
must still be the same: what has changed is named, and nothing is made.

A run writes what it needs to go on into the folder state, after every iteration.
The folder is removed when the run is finished (--keep-state keeps it). A run of
which there is no state begins again, in its folder.

Of a series the finished images are kept, the one in progress goes on, and the
rest is made. A run that is finished already is named, with exit code 0. A run
whose process still lives is refused. sgool runs lists what can go on. A run that
read the standard input needs the same bytes there again.

Examples:
  sgool resume sgool-output/2026-11-22-a-red-cat-7
  sgool resume out/run.json --json`;

export function configure(command: Command, host: Host): void {
  command
    .argument('<folder>', 'folder of a run or a series, or the run.json in it')
    .option('--force', 'take it over although it runs on another computer, which cannot be asked')
    .option('--json', 'print one JSON object on stdout instead of the path')
    .option('-q, --quiet', 'show no progress')
    .addHelpText('after', NOTES)
    .action((folder: string, { json = false, quiet = false, force = false }: Partial<ResumeFlags>) =>
      resume(resolve(host.cwd, folder), { json, quiet, force }, host),
    );
}

async function resume(path: string, flags: ResumeFlags, host: Host): Promise<void> {
  const names: readonly string[] = [FILES.run, SERIES_FILES.summary];
  const dir = names.includes(basename(path)) ? dirname(path) : path;
  const file = await readRunFile(dir);
  if (!file) {
    throw new UserError(
      `${shownPath(path, host)}: holds no run; give a folder with ${FILES.run} or ${SERIES_FILES.summary}, or see sgool runs`,
    );
  }
  if (file.status === 'done') {
    // A process that was killed between its last two steps has left it.
    if (file.content.resume === undefined) new StateFolder(dir).remove();
    host.stderr.write(`sgool: ${shownPath(dir, host)} is finished, there is nothing to go on with\n`);
    const result = join(dir, resultOf(file));
    host.stdout.write(flags.json ? `${JSON.stringify(file.content)}\n` : `${shownPath(result, host)}\n`);
    return;
  }
  if (file.content.kind === FINETUNE_KIND) await resumeFineTuning(file, flags, host);
  else if (file.name === FILES.run) await resumeRun(file, flags, host);
  else await resumeSeries(file, flags, host);
}

/** The file that a finished run is about. */
function resultOf({ name, content }: RunFile): string {
  if (content.kind === FINETUNE_KIND) return TRAINING_FILES.adapter;
  if (name !== FILES.run) return SERIES_FILES.grid;
  const { format } = content.request as { readonly format?: VideoFormat };
  return format === undefined ? FILES.image : clipName(format);
}
