/** @file Hashes that name the files of a run, in the forms of AUTOMATIC1111's web UI, so that others find the same files. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { parseJsonObject } from '../../platform/json.ts';
import { readPlainChunks, utf8, withPlainFile } from '../../platform/plain-file.ts';
import { occursIn } from '../../text/embedding-tokens.ts';
import type { LoraChoice } from '../../weights/open/lora.ts';
import type { LoraStrength } from '../../weights/open/lora-strength.ts';
import { type EmbeddingChoice, openEmbedding } from '../../weights/open/textual-inversion.ts';

/** A LoRA of a run. */
export interface NamedLora extends LoraStrength {
  /** Whether the prompt names it. */
  readonly isInPrompt?: boolean;
  /** Name of its file without the ending. */
  readonly name: string;
  readonly weight: number;
  readonly hash: string;
}

/** An embedding of a run. */
export interface NamedEmbedding {
  /** The word of the prompt. */
  readonly name: string;
  readonly hash: string;
}

/** What names the weights of a run. */
export interface WeightHashes {
  readonly modelHash?: string;
  readonly loras?: readonly Pick<NamedLora, 'name' | 'hash'>[];
  readonly embeddings?: readonly NamedEmbedding[];
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

/**
 * The LoRAs of a run with their hashes. Call it when the model is open: their files have been checked by then.
 *
 * @param given number of those that the prompt does not name, which come first
 */
export function namedLoras(loras: readonly LoraChoice[], given: number): Promise<NamedLora[]> {
  return Promise.all(
    loras.map(async ({ path, weight = 1, ...strength }, i) => ({
      name: basename(path, extname(path)),
      weight,
      ...strength,
      hash: await loraHash(path),
      ...(i < given ? {} : { isInPrompt: true }),
    })),
  );
}

/**
 * The embeddings that a run uses, with the web UI's hashes: the first twelve digits of that of the whole file.
 *
 * Reference: AUTOMATIC1111/stable-diffusion-webui, modules/textual_inversion, `create_embedding_from_data`
 *
 * @param texts that the text encoder reads
 */
export async function namedEmbeddings(
  choices: readonly EmbeddingChoice[],
  texts: readonly string[],
): Promise<NamedEmbedding[]> {
  const named: NamedEmbedding[] = [];
  for (const choice of choices) {
    const embedding = await openEmbedding(choice);
    if (!texts.some((text) => occursIn(text, embedding))) continue;
    named.push({ name: embedding.word, hash: (await weightsHash(embedding.path)).slice(0, 12) });
  }
  return named;
}

/** Whether two hashes are of one file: tools write more or fewer of the first digits. */
function isSameHash(a: string, b: string): boolean {
  const length = Math.min(a.length, b.length);
  return a.slice(0, length).toLowerCase() === b.slice(0, length).toLowerCase();
}

/** Digits of the web UI's old hash of a model, which is of a part of the file. */
const OLD_MODEL_HASH = 8;

/** What is not the same in a repeated run, one line each. */
export function hashNotes(recorded: WeightHashes, now: WeightHashes): string[] {
  const notes: string[] = [];
  const { modelHash } = recorded;
  if (modelHash !== undefined && now.modelHash !== undefined) {
    if (modelHash.length <= OLD_MODEL_HASH) {
      notes.push(
        `whether the model is the same is not known: its hash ${modelHash} in the record is of the old kind`,
      );
    } else if (!isSameHash(modelHash, now.modelHash)) {
      notes.push(`the model is not the one of the record: its hash is ${now.modelHash}, there ${modelHash}`);
    }
  }
  for (const [kind, key] of [
    ['LoRA', 'loras'],
    ['embedding', 'embeddings'],
  ] as const) {
    for (const { name, hash } of recorded[key] ?? []) {
      const found = now[key]?.find((each) => each.name.toLowerCase() === name.toLowerCase());
      if (found === undefined) notes.push(`the ${kind} ${name} of the record (hash ${hash}) is missing`);
      else if (!isSameHash(hash, found.hash)) {
        notes.push(
          `the ${kind} ${name} is not the one of the record: its hash is ${found.hash}, there ${hash}`,
        );
      }
    }
  }
  return notes;
}
