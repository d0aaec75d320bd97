/** @file Checking that the files of a model are unchanged since they were downloaded. Node only. */

import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { UserError } from '../../errors.ts';
import { sum } from '../../numbers.ts';
import { readPlainChunks, refused } from '../../platform/plain-file.ts';
import { hubHash } from './download.ts';

/** The result for one file. */
export interface FileCheck {
  /** Path in the folder, with slashes. */
  readonly path: string;
  readonly size: number;
  /**
   * `ok`: the hash is the Hub's; `wrong`: it is another one; `missing`: a link to nowhere; `unknown`: the file did not come from
   * the Hub, so there is no hash to compare with.
   */
  readonly state: 'ok' | 'wrong' | 'missing' | 'unknown';
  /** SHA-256, or git's SHA-1 for small files of the Hub. */
  readonly hash?: string;
  /** The Hub's hash, where it is another one. */
  readonly expected?: string;
  /** Path of the file that holds the bytes. */
  readonly file: string;
}

/** Progress and cancellation. */
export interface VerifyOptions {
  readonly signal?: AbortSignal;
  /** Called with the number of bytes read so far, and that of all files. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Reads every file of a model folder and compares it with the hash that names its blob in the Hub's cache.
 *
 * @param path a folder, or one file
 * @throws UserError when a file cannot be read
 */
export async function verifyFiles(path: string, options: VerifyOptions = {}): Promise<FileCheck[]> {
  const files = filesAt(path);
  const total = sum(files.map(({ size }) => size));
  const checks: FileCheck[] = [];
  let before = 0;
  for (const found of files) {
    checks.push(await check(found, options, (done) => options.onProgress?.(before + done, total)));
    before += found.size;
  }
  return checks;
}

function filesAt(path: string): FoundFile[] {
  try {
    return statSync(path).isDirectory() ? filesOf(path) : [foundFile(path, basename(path))];
  } catch (error) {
    throw refused(path, error);
  }
}

interface FoundFile {
  readonly path: string;
  readonly file: string;
  readonly size: number;
  /** Name of the blob, where it is a hash. */
  readonly expected?: string;
  readonly isMissing: boolean;
}

/** @param above the real paths of the folders around it: links may lead into a circle, whose ways double with every level */
function filesOf(dir: string, prefix = '', above: readonly string[] = []): FoundFile[] {
  const real = realpathSync(dir);
  if (above.includes(real)) throw new UserError(`cannot read ${dir}: its symbolic links lead in a circle`);
  return readdirSync(dir)
    .sort()
    .flatMap((name) => {
      const path = join(dir, name);
      const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory();
      return isFolder
        ? filesOf(path, `${prefix}${name}/`, [...above, real])
        : [foundFile(path, prefix + name)];
    });
}

function foundFile(file: string, path: string): FoundFile {
  const link = lstatSync(file).isSymbolicLink() ? readlinkSync(file) : undefined;
  const found = statSync(file, { throwIfNoEntry: false });
  const blob = basename(link ?? '');
  return {
    path,
    file: link === undefined ? file : resolve(dirname(file), link),
    size: found?.size ?? 0,
    isMissing: found === undefined,
    ...(/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(blob) ? { expected: blob } : {}),
  };
}

async function check(
  { path, file, size, expected, isMissing }: FoundFile,
  { signal }: VerifyOptions,
  onBytes: (done: number) => void,
): Promise<FileCheck> {
  if (isMissing) return { path, file, size, state: 'missing' };
  const hash = hubHash({ hash: expected ?? '0'.repeat(64), size });
  let done = 0;
  await readPlainChunks(
    file,
    (chunk) => {
      hash.update(chunk);
      onBytes((done += chunk.length));
    },
    { signal },
  );
  const actual = hash.digest('hex');
  if (expected === undefined) return { path, file, size, state: 'unknown', hash: actual };
  if (actual === expected) return { path, file, size, state: 'ok', hash: actual };
  return { path, file, size, state: 'wrong', hash: actual, expected };
}
