/** @file What a command reads: files by their paths, and the standard input by `-`. */
import { createHash } from 'node:crypto';
import { Socket } from 'node:net';
import { basename, extname, resolve } from 'node:path';
import { files } from '#platform';
import type { Image } from '../image/image.ts';
import { decodeImage, type ReadOptions } from '../image/read-image.ts';
import { decodeVideo } from '../image/video/read-video.ts';
import type { Video } from '../image/video/video.ts';
import { SIZE_LIMITS, type SizeLimit } from '../platform/size-limits.ts';
import type { Host } from './host.ts';
import { readStream } from './standard-input.ts';
import { usageError } from './usage-error.ts';

/** Stands for the standard input where a file is read. A file of that name is `./-`. */
export const STDIN = '-';
const STDIN_NAMES = [STDIN, '/dev/stdin', '/dev/fd/0', '/proc/self/fd/0'];

/** A descriptor that the shell has opened for this process, as bash does for `<(command)`. */
const OWN_DESCRIPTOR = /^\/(?:dev|proc\/self)\/fd\/(\d+)$/;
/** What was read of such descriptors, by path: it is there once, and a series and the hash need it again. */
const readPipes = new Map<string, Promise<Uint8Array>>();

/**
 * An input as it was typed: absolute, or `-`.
 *
 * @throws UserError where it is empty, which would be the current folder
 */
export function inputPath(given: string, { cwd }: Pick<Host, 'cwd'>): string {
  if (given.trim() === '') {
    throw usageError('an input has an empty name; give a file, or - for the standard input');
  }
  return STDIN_NAMES.includes(given) ? STDIN : resolve(cwd, given);
}

/** The input in messages. */
export const inputName = (path: string): string => (path === STDIN ? 'the standard input' : path);

/** The input in the names of files. */
export const inputStem = (path: string): string => (path === STDIN ? 'stdin' : basename(path, extname(path)));

/** The inputs that are files, which must not be overwritten. */
export const inputFiles = (paths: readonly (string | undefined)[]): string[] =>
  paths.filter((path) => path !== undefined && path !== STDIN) as string[];

/**
 * The bytes of an input.
 *
 * @param who the argument or option that names it
 * @param path as {@link inputPath} gives it
 * @throws UserError where it cannot be read, is no plain file, is larger than the limit, or is the standard input for the second time
 */
export async function inputBytes(
  who: string,
  path: string,
  limit: SizeLimit,
  host: Host,
): Promise<Uint8Array> {
  if (path === STDIN) return host.readInput(who, limit);
  const known = readPipes.get(path);
  if (known !== undefined) return known;
  const [, descriptor] = OWN_DESCRIPTOR.exec(path) ?? [];
  const isPipe = descriptor !== undefined && !(await files.isFile(path)) && !(await files.isFolder(path));
  if (!isPipe) return files.readBytes(path, limit);
  const bytes = readStream(new Socket({ fd: Number(descriptor), writable: false }), path, limit);
  readPipes.set(path, bytes);
  return bytes;
}

/** An image; see {@link inputBytes} and {@link decodeImage}. */
export async function inputImage(
  who: string,
  path: string,
  host: Host,
  options?: ReadOptions,
): Promise<Image> {
  const bytes = await inputBytes(who, path, SIZE_LIMITS.picture, host);
  return decodeImage(bytes, inputName(path), options);
}

/** An image or a clip, which has several frames; see {@link inputBytes} and {@link decodeVideo}. */
export async function inputVideo(who: string, path: string, host: Host): Promise<Video> {
  return decodeVideo(await inputBytes(who, path, SIZE_LIMITS.picture, host), inputName(path));
}

/** SHA-256 of an input that was read. */
export async function inputHash(who: string, path: string, host: Host): Promise<string> {
  return createHash('sha256')
    .update(await inputBytes(who, path, SIZE_LIMITS.picture, host))
    .digest('hex');
}
