/** @file Hashes that name the files of a run, in the forms of AUTOMATIC1111's web UI, so that others find the same files. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { openSafetensors } from '../../weights/formats/safetensors.ts';
import type { LoraChoice } from '../../weights/open/lora.ts';

/** A LoRA of a run. */
export interface NamedLora {
  /** Name of its file without the ending. */
  readonly name: string;
  readonly weight: number;
  readonly hash: string;
}

export interface HashOptions {
  /** First byte that counts. Default 0. */
  readonly start?: number;
  /** Ends it, with an error. */
  readonly signal?: AbortSignal;
}

/** SHA-256 of a file, in hexadecimal digits. */
export async function fileHash(path: string, { start = 0, signal }: HashOptions = {}): Promise<string> {
  const hash = createHash('sha256');
  const chunks = createReadStream(path, { start, highWaterMark: 2 ** 22, ...(signal && { signal }) });
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

/** Hashes of weights by file as it is now: a series of runs on one model reads its gigabytes once. */
const known = new Map<string, Promise<string>>();

async function weightsHash(path: string, options: HashOptions = {}): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  const key = `${path} ${size} ${mtimeMs} ${options.start ?? 0}`;
  const hash = known.get(key) ?? fileHash(path, options);
  known.set(key, hash);
  hash.catch(() => known.delete(key));
  return hash;
}

/** The web UI's `Model hash`: the first ten digits. */
export const modelHash = async (path: string, options?: Pick<HashOptions, 'signal'>): Promise<string> =>
  (await weightsHash(path, options)).slice(0, 10);

/**
 * The web UI's hash of a LoRA, twelve digits: what its training stored, else of the bytes behind the header, which does not change
 * when the metadata is edited; of other formats the hash of the whole file.
 *
 * Reference: AUTOMATIC1111/stable-diffusion-webui, extensions-builtin/Lora/network.py, modules/hashes.py
 */
export async function loraHash(path: string, options?: Pick<HashOptions, 'signal'>): Promise<string> {
  // A file of another format may have this ending, too.
  const header =
    extname(path) === '.safetensors' ? await openSafetensors(path).catch(() => undefined) : undefined;
  const stored = header?.metadata.sshs_model_hash;
  return (stored ?? (await weightsHash(path, { ...options, start: header?.dataStart }))).slice(0, 12);
}

/** The LoRAs of a run with their hashes. Call it when the model is open: their files have been checked by then. */
function namedLoras(loras: readonly LoraChoice[], signal: AbortSignal): Promise<NamedLora[]> {
  return Promise.all(
    loras.map(async ({ path, weight = 1 }) => ({
      name: basename(path, extname(path)),
      weight,
      hash: await loraHash(path, { signal }),
    })),
  );
}

/** What the records of a run say of its weights. */
export interface WeightHashes {
  /** Of the file with the weights of the denoiser, as AUTOMATIC1111's web UI writes it. */
  readonly modelHash?: string;
  readonly loras?: readonly NamedLora[];
}

/**
 * Hashes the weights of a run: gigabytes, while the run begins.
 *
 * @param signal ends it at once: then the weights are not named
 * @throws where a file cannot be read any more
 */
export async function hashWeights(
  weightsPath: string | undefined,
  loras: readonly LoraChoice[],
  signal: AbortSignal,
): Promise<WeightHashes> {
  try {
    return {
      ...(weightsPath === undefined ? {} : { modelHash: await modelHash(weightsPath, { signal }) }),
      ...(loras.length === 0 ? {} : { loras: await namedLoras(loras, signal) }),
    };
  } catch (error) {
    if (signal.aborted) return {};
    throw error;
  }
}
