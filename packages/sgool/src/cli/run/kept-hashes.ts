/**
 * @file SHA-256 of large files of weights, kept from one start of sgool to the next: the record of a run waits for them, and a file of
 * 3.4 GB takes 2.5 s of processor time. They are in `hashes.json` of the user's data folder; without that file all are computed again.
 */
import { realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { files } from '#platform';
import { fileSha256, type HashOptions } from '../../platform/file-sha256.ts';
import { parseJsonObject } from '../../platform/json.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import type { Environment } from '../../weights/hub/environment.ts';
import { userDataDir } from '../../weights/open/added.ts';
import { writeFileAtomic } from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';

export interface KeptHashOptions extends HashOptions {
  /** Variables that say where the user's data folder is. */
  readonly env?: Environment;
  /** Size from which on a hash is kept. Default 256 MB: smaller files take less than 0.2 s. */
  readonly leastBytes?: number;
}

const LEAST_BYTES = 2 ** 28;
/** The oldest are dropped. */
const MOST_HASHES = 200;
/** Times of files may be this coarse: a file that was changed so recently may change again without its time telling. */
const COARSE_MS = 2000;

/** The hash of a file, and what the file was like then. */
interface KeptHash {
  readonly state: string;
  readonly sha256: string;
}

/** SHA-256 of a file as it is now, in hexadecimal digits; computed where it is not known. @throws where the file cannot be read */
export async function keptSha256(
  path: string,
  { env, leastBytes = LEAST_BYTES, ...options }: KeptHashOptions = {},
): Promise<string> {
  const before = await stateOf(path);
  if (before.size < leastBytes) return fileSha256(path, options);
  const place = join(userDataDir(env), 'hashes.json');
  const key = `${await realpath(path)} from byte ${options.start ?? 0}`;
  const kept = (await readHashes(place)).get(key);
  if (kept?.state === before.state) return kept.sha256;
  const isSettled = Date.now() - before.changedMs > COARSE_MS;
  const sha256 = await fileSha256(path, options);
  const { state } = await stateOf(path);
  if (isSettled && state === before.state) await keep(place, key, { state, sha256 });
  return sha256;
}

/** Size, times and number of a file. The time of its last change, unlike that of its content, cannot be set by a program. */
async function stateOf(path: string) {
  const { size, mtimeNs, ctimeNs, ctimeMs, ino } = await stat(path, { bigint: true });
  return { size: Number(size), changedMs: Number(ctimeMs), state: `${size} ${mtimeNs} ${ctimeNs} ${ino}` };
}

/** Hashes by file, the oldest first. None where the file is missing or damaged. */
async function readHashes(place: string): Promise<Map<string, KeptHash>> {
  try {
    const entries = Object.entries(parseJsonObject(await files.readText(place, SIZE_LIMITS.hashes), place));
    return new Map(entries.filter((entry): entry is [string, KeptHash] => isKeptHash(entry[1])));
  } catch {
    return new Map();
  }
}

function isKeptHash(value: unknown): value is KeptHash {
  const { state, sha256 } = (value ?? {}) as Partial<Record<keyof KeptHash, unknown>>;
  return typeof state === 'string' && typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256);
}

/** Two processes that keep hashes at the same time may lose one of them, which is then computed again. */
async function keep(place: string, key: string, hash: KeptHash): Promise<void> {
  const hashes = await readHashes(place);
  hashes.delete(key);
  const newest = [...hashes, [key, hash] as const].slice(-MOST_HASHES);
  try {
    await makeFolders(dirname(place));
    await writeFileAtomic(place, `${JSON.stringify(Object.fromEntries(newest), null, 2)}\n`);
  } catch {
    // Nothing is lost: the next start computes it again.
  }
}
