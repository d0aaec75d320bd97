/**
 * @file Writing a file where the user says: links are followed, devices and pipes are written through, the input itself is never
 * overwritten, and the format is the one that the name says.
 */
import { constants, fstatSync } from 'node:fs';
import { lstat, open, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { encodePng } from '../../image/png.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import { writeFileAtomic } from '../../weights/sources/atomic-file.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { usageError } from '../usage-error.ts';

/** Formats of images by the ending of a name. */
const IMAGE_ENDINGS = ['.png', '.jpg', '.jpeg', '.webp'] as const;
type ImageEnding = (typeof IMAGE_ENDINGS)[number];

const STDOUT = 1;
/** How long a named pipe is waited for that nobody reads from yet. */
const PIPE_SECONDS = 30;
/** Links that are followed before they count as a circle. */
const MAX_LINKS = 40;
const FLAGS = { write: constants.O_WRONLY, nonBlocking: constants.O_NONBLOCK ?? 0 };

/** A place that can be written to. */
export interface OutputTarget {
  /** Absolute path, links followed. */
  readonly path: string;
  /** Whether it is a plain file, or nothing yet; else a device or a pipe. */
  readonly isPlain: boolean;
  /** Whether it is the standard output of this process. */
  readonly isStdout: boolean;
}

/**
 * Finds out what a path is, before anything is computed for it.
 *
 * @param who names the option in messages
 * @param inputs absolute paths of the files that must not be overwritten
 * @throws UserError where it is a folder, one of the inputs, or in a folder that does not exist
 */
export async function outputTarget(
  path: string,
  who: string,
  inputs: readonly string[] = [],
): Promise<OutputTarget> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return { path: await linkEnd(path, who), isPlain: true, isStdout: false };
  if (found.isDirectory()) throw usageError(`${who}: ${path} is a folder; give the name of a file in it`);
  if (isOwnStdout(path, found)) return { path, isPlain: false, isStdout: true };
  if (found.isSocket()) throw usageError(`${who}: ${path} is a socket, which cannot be opened for writing`);
  for (const input of inputs) {
    const other = await stat(input).catch(() => undefined);
    if (other?.ino !== found.ino || other.dev !== found.dev || !found.isFile()) continue;
    throw usageError(`${who}: ${path} is the input ${input}; give another name`);
  }
  if (!found.isFile()) return { path, isPlain: false, isStdout: false };
  return { path: await realpath(path), isPlain: true, isStdout: false };
}

/** The end of a chain of links that points to nothing yet; the path itself if it is none. */
async function linkEnd(path: string, who: string): Promise<string> {
  let end = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    const found = await lstat(end).catch(() => undefined);
    if (!found?.isSymbolicLink()) {
      if (await stat(dirname(end)).catch(() => undefined)) return end;
      throw usageError(`${who}: cannot write ${path}: the folder ${dirname(end)} does not exist`);
    }
    end = resolve(dirname(end), await readlink(end));
  }
  throw usageError(`${who}: ${path} is a link that leads to itself`);
}

function isOwnStdout(path: string, { dev, ino }: { dev: number; ino: number }): boolean {
  if (!/^\/(dev\/(stdout|fd\/1)|proc\/self\/fd\/1)$/.test(path)) return false;
  const own = fstatSync(STDOUT);
  return own.dev === dev && own.ino === ino;
}

/**
 * The ending of an image's name, which decides its format. Devices and pipes get PNG.
 *
 * @throws UserError where the ending is no format that is written
 */
function imageEnding({ path, isPlain }: OutputTarget, who: string): ImageEnding {
  const ending = extname(path).toLowerCase();
  const known = IMAGE_ENDINGS.find((one) => one === ending);
  if (known !== undefined) return known;
  if (!isPlain) return '.png';
  const what = ending === '' ? `${basename(path)} has no ending` : `the format ${ending} is not written`;
  throw usageError(`${who}: ${what}; choose from ${IMAGE_ENDINGS.join(', ')}`);
}

/** An image file that was checked before its content was made. */
export interface ImageTarget extends OutputTarget {
  readonly ending: ImageEnding;
}

/** Checks where an image is to go: see {@link outputTarget}. @throws UserError also where the format is not written */
export async function imageTarget(
  path: string,
  who: string,
  inputs: readonly string[] = [],
): Promise<ImageTarget> {
  const target = await outputTarget(path, who, inputs);
  // The name that was typed decides, not that of the file behind a link.
  return { ...target, ending: imageEnding({ ...target, path }, who) };
}

/** Writes an image in the format of its name. @throws UserError where the system refuses */
export async function writeImage(target: ImageTarget, image: Image, stdout: Terminal): Promise<void> {
  await writeOutput(target, await encoded(image, target.ending), stdout);
}

async function encoded(image: Image, ending: ImageEnding): Promise<Uint8Array> {
  if (ending === '.png') return encodePng(image);
  const { default: sharp } = await import('sharp');
  const { width, height, data } = image;
  const raw = sharp(data, { raw: { width, height, channels: 3 } });
  return ending === '.webp'
    ? raw.webp({ quality: 95 }).toBuffer()
    : raw.jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer();
}

/**
 * Writes to the place: a plain file whole or not at all, anything else straight through.
 *
 * @throws UserError where the system refuses, or nobody reads from a pipe
 */
export async function writeOutput(
  { path, isPlain, isStdout }: OutputTarget,
  content: Uint8Array | string,
  stdout: Terminal,
): Promise<void> {
  if (isPlain) return writeFileAtomic(path, content);
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  if (isStdout) {
    stdout.data(bytes);
    return;
  }
  try {
    await writeThrough(path, bytes);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === 'EPIPE' ? 'the reader has gone' : (fileSystemReason(error) ?? (error as Error).message);
    throw new UserError(`cannot write ${path}: ${reason}`, { cause: error });
  }
}

/** Opened without creating or cutting off anything. A pipe is opened without waiting first, which tells whether it has a reader. */
async function writeThrough(path: string, bytes: Uint8Array): Promise<void> {
  const probe = await openWhenRead(path);
  try {
    const file = await open(path, FLAGS.write);
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
  } finally {
    await probe.close();
  }
}

async function openWhenRead(path: string) {
  for (let tries = 0; ; tries++) {
    try {
      return await open(path, FLAGS.write | FLAGS.nonBlocking);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
      if (tries >= PIPE_SECONDS * 10) {
        throw new UserError(`cannot write ${path}: nobody has read from it for ${PIPE_SECONDS} s`);
      }
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}
