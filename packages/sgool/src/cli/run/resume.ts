/** @file Going on with a run, or a series, that was stopped or died. */
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { Host } from '../host.ts';
import type { Values } from '../options/image-options.ts';
import { quoteArgument, shownPath } from '../terminal/format.ts';
import { packageVersion } from '../version.ts';
import type { MadeImage } from './conclude.ts';
import type { BegunRun } from './generation.ts';
import { type AnyImageCommand, IMAGE_COMMANDS } from './image-commands.ts';
import { FILES } from './output-folder.ts';
import { checkedValues, kindOf } from './recorded-run.ts';
import { type RunFile, readRunFile, refuseLiving, takeOver } from './run-file.ts';
import type { CommandKind } from './run-record.ts';
import { StateFolder } from './saved-state.ts';

/** How a run is gone on with. */
export interface ResumeFlags {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly force: boolean;
}

/** What a record says of the command that began it. */
export interface RecordedCommand {
  readonly prompt: string;
  readonly kind: CommandKind;
  /** Absolute path of the image that it began with. */
  readonly image?: string;
  readonly values: Values;
  readonly cwd: string;
  readonly typed: string;
  readonly started: Date;
}

/**
 * Goes on with a run after its last finished iteration.
 *
 * @throws UserError where its process still runs, its state is damaged or that of another version, or its model, settings or files
 *   have changed
 */
export async function resumeRun(found: RunFile, flags: ResumeFlags, host: Host): Promise<MadeImage> {
  refuseLiving(found, flags.force);
  await recordedCommand(found, host);
  const { file, folder, giveBack } = await takeOver(found.dir, flags);
  try {
    const { prompt, kind, image, values, ...begin } = await recordedCommand(file, host);
    const state = await new StateFolder(file.dir).read();
    const begun: BegunRun = { folder, ...begin, ...(state && { state }) };
    const { make, options } = IMAGE_COMMANDS[kind];
    const command: AnyImageCommand = {
      prompt,
      ...(image === undefined ? {} : { image }),
      values: { ...values, out: file.dir },
      options: options(),
      typed: begin.typed,
      json: flags.json,
      quiet: flags.quiet,
      warnings: [],
      notes: [],
    };
    await enterFolder(begin.cwd, host);
    return await make(command, host, begun);
  } catch (error) {
    // Whatever goes wrong before the run goes on: it does not run.
    if (error instanceof UserError) await endIfRunning(file.dir, folder.release);
    throw error;
  } finally {
    giveBack();
  }
}

/** The command of a run or a series, from its record. @throws UserError where it cannot be gone on with */
export async function recordedCommand({ dir, name, content }: RunFile, host: Host): Promise<RecordedCommand> {
  const shown = shownPath(dir, host);
  const { prompt, kind, image, started, command, resume, versions } = content;
  if (Object.keys(content).length === 0) {
    throw new UserError(`${shown}: it died before it had begun; type its command again`);
  }
  const { values, cwd } = (resume ?? {}) as { values?: unknown; cwd?: unknown };
  if (typeof values !== 'object' || values === null || typeof cwd !== 'string') {
    throw new UserError(
      `${shown}: says nothing that it could go on from; to make it again: sgool repeat ${quoteArgument(join(shown, name))}`,
    );
  }
  const { sgool: version } = (versions ?? {}) as { sgool?: unknown };
  const current = await packageVersion();
  if (version !== current) {
    throw new UserError(
      `${shown}: was begun by sgool ${version ?? 'of another version'}, this is ${current}, which may not end with the same bytes; to make it again: sgool repeat ${quoteArgument(join(shown, name))}`,
    );
  }
  return {
    prompt: typeof prompt === 'string' ? prompt : '',
    kind: kindOf({ kind, image }),
    ...(typeof image === 'string' ? { image } : {}),
    values: checkedValues(values as Record<string, unknown>, join(shown, name)),
    cwd,
    typed: typeof command === 'string' ? command : 'sgool',
    started: new Date(typeof started === 'string' ? started : 0),
  };
}

/** @throws UserError where the folder is gone */
export async function enterFolder(folder: string, host: Host): Promise<void> {
  try {
    await host.enter(folder);
  } catch (error) {
    throw new UserError(
      `the folder ${folder}, in which the command was typed, cannot be entered; names of models start from it`,
      { cause: error },
    );
  }
}

async function endIfRunning(dir: string, release: () => void): Promise<void> {
  const file = await readRunFile(dir).catch(() => undefined);
  if (file?.name === FILES.run && file.status === 'running') release();
}
