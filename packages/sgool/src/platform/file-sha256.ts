/** @file SHA-256 of files. */
import { createHash } from 'node:crypto';
import { readPlainChunks } from './plain-file.ts';

export interface HashOptions {
  /** First byte that counts. Default 0. */
  readonly start?: number;
  /** Ends it, with an error. */
  readonly signal?: AbortSignal;
}

/** SHA-256 of a file, in hexadecimal digits. */
export async function fileSha256(path: string, { start = 0, signal }: HashOptions = {}): Promise<string> {
  const hash = createHash('sha256');
  await readPlainChunks(path, (chunk) => hash.update(chunk), { start, ...(signal && { signal }) });
  return hash.digest('hex');
}
