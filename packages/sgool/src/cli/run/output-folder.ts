/** @file The folder that a run writes to. No run overwrites the files of another one. */
import { existsSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import type { Seed } from '../../random/seed.ts';
import { createFile } from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import { usageError } from '../usage-error.ts';

/** Names of the files that a run writes. */
export const FILES = {
  image: 'image.png',
  /** The same of a clip: an animated PNG. */
  clip: 'clip.png',
  input: 'input.png',
  before: 'before.png',
  saliency: 'saliency.png',
  /** The same of a clip: all its frames. */
  frames: 'frames.png',
  progress: 'progress.png',
  run: 'run.json',
} as const;
/** Names of the files that a series of runs writes beside their folders. */
export const SERIES_FILES = { summary: 'summary.json', grid: 'grid.png' } as const;
/** Folder for the images of all iterations. */
export const ITERATIONS_FOLDER = 'iterations';
/** Folder for what a run needs to go on, until it is finished. */
export const STATE_FOLDER = 'state';

export interface OutputFolder {
  readonly dir: string;
  /** Removes the folder if nothing has been written to it. At once: the process may be about to end. */
  release(): void;
}

/** A file that says what has taken a folder. */
export interface Mark {
  readonly name: string;
  readonly content: string;
}

const SLUG_LENGTH = 40;
const MAX_TRIES = 10_000;

/** A prompt as a part of a file name: letters and digits of any script, words joined by `-`. */
export function slug(prompt: string): string {
  const words =
    prompt
      .toLowerCase()
      .normalize('NFC')
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  let name = '';
  for (const word of words) {
    const longer = name === '' ? word : `${name}-${word}`;
    // Counted in bytes: that is what file systems limit.
    if (Buffer.byteLength(longer) > SLUG_LENGTH) break;
    name = longer;
  }
  return name || 'image';
}

const twoDigits = (value: number) => String(value).padStart(2, '0');

/**
 * `sgool-output/2026-11-22-a-red-cat-7`, the date as the user's clock shows it.
 *
 * @param subject the prompt, for `refine` with the name of the image
 */
export function defaultFolder(date: Date, subject: string, seed: Seed): string {
  const day = [date.getFullYear(), twoDigits(date.getMonth() + 1), twoDigits(date.getDate())].join('-');
  return join('sgool-output', `${day}-${slug(subject)}-${seed}`);
}

/** @throws UserError where the name is that of an image, which a folder is rarely meant to have */
export function checkFolderName(out: string): void {
  const [ending] = /\.(png|jpe?g|webp|gif|bmp|tiff?|avif|mp4|json)$/i.exec(out) ?? [];
  if (ending === undefined || (existsSync(out) && statSync(out).isDirectory())) return;
  throw usageError(
    `--out: is the folder for all files of a run, got ${out}; leave out ${ending}, the image in it is called ${FILES.image}`,
  );
}

const isTaken = (dir: string) =>
  [...Object.values(FILES), ...Object.values(SERIES_FILES), ITERATIONS_FOLDER, STATE_FOLDER].some((name) =>
    existsSync(join(dir, name)),
  );

/**
 * Makes `wanted`, or `wanted-2`, `wanted-3` ... if it holds the files of an earlier run, and marks it as taken at once, so
 * that two runs that start together do not share it.
 *
 * @param mark the file that marks it as taken
 * @throws UserError when it cannot be written to
 */
export async function claimFolder(wanted: string, { name: markName, content }: Mark): Promise<OutputFolder> {
  for (let number = 1; number <= MAX_TRIES; number++) {
    const dir = number === 1 ? wanted : `${wanted}-${number}`;
    try {
      const firstCreated = await makeFolders(dir);
      if (isTaken(dir)) continue;
      // Another run may have claimed it in between.
      if (!(await createFile(join(dir, markName), content))) continue;
      return { dir, release: () => release(dir, markName, firstCreated) };
    } catch (error) {
      const reason = fileSystemReason(error);
      if (reason === undefined) throw error;
      throw new UserError(`cannot write to the folder ${dir}: ${reason}`, { cause: error });
    }
  }
  throw new UserError(`cannot write to the folder ${wanted}: ${MAX_TRIES} runs are there already`);
}

function release(dir: string, markName: string, firstCreated: string | undefined): void {
  rmSync(join(dir, markName), { force: true });
  if (firstCreated === undefined) return;
  try {
    for (let folder = dir; ; folder = dirname(folder)) {
      rmdirSync(folder);
      if (folder === firstCreated) return;
    }
  } catch {
    // It holds something else by now, so it stays.
  }
}
