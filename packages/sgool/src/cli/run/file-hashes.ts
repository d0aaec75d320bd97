/** @file Hashes that name the files of a run, in the forms of AUTOMATIC1111's web UI, so that others find the same files. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { parseJsonObject } from '../../platform/json.ts';
import { readPlainChunks, utf8, withPlainFile } from '../../platform/plain-file.ts';
import type { LoraChoice } from '../../weights/open/lora.ts';

/** A LoRA of a run. */
export interface NamedLora {
  /** Name of its file without the ending. */
  readonly name: string;
  readonly weight: number;
  readonly hash: string;
}

/** SHA-256 of a file from a place in it on, in hexadecimal digits. */
export async function fileHash(path: string, start = 0): Promise<string> {
  const hash = createHash('sha256');
  await readPlainChunks(path, (chunk) => hash.update(chunk), { start });
  return hash.digest('hex');
}

/** Hashes of weights by file as it is now: a series of runs on one model reads its gigabytes once. */
const known = new Map<string, Promise<string>>();

async function weightsHash(path: string, start = 0): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  const key = `${path} ${size} ${mtimeMs} ${start}`;
  const hash = known.get(key) ?? fileHash(path, start);
  known.set(key, hash);
  hash.catch(() => known.delete(key));
  return hash;
}

/** The web UI's `Model hash`: the first ten digits. */
export const modelHash = async (path: string): Promise<string> => (await weightsHash(path)).slice(0, 10);

/**
 * The web UI's hash of a LoRA, twelve digits: what its training stored, else of the bytes behind the header, which does not change
 * when the metadata is edited; of other formats the hash of the whole file.
 *
 * Reference: AUTOMATIC1111/stable-diffusion-webui, extensions-builtin/Lora/network.py, modules/hashes.py
 */
export async function loraHash(path: string): Promise<string> {
  const header = extname(path) === '.safetensors' ? await readHeader(path) : undefined;
  return (header?.hash ?? (await weightsHash(path, header?.end))).slice(0, 12);
}

/** The hash in the metadata of a safetensors file, and where its data begin. */
function readHeader(path: string) {
  return withPlainFile(path, async ({ read }) => {
    const start = await read(0, 8);
    const length = Number(new DataView(start.buffer).getBigUint64(0, true));
    const header = parseJsonObject(utf8(await read(8, length), path), path, 'any');
    const { sshs_model_hash: hash } = (header.__metadata__ ?? {}) as Record<string, unknown>;
    return { hash: typeof hash === 'string' ? hash : undefined, end: 8 + length };
  });
}

/** The LoRAs of a run with their hashes. Call it when the model is open: their files have been checked by then. */
export function namedLoras(loras: readonly LoraChoice[]): Promise<NamedLora[]> {
  return Promise.all(
    loras.map(async ({ path, weight = 1 }) => ({
      name: basename(path, extname(path)),
      weight,
      hash: await loraHash(path),
    })),
  );
}
