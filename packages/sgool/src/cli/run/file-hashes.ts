/** @file Hashes that name the files of a run, in the forms of AUTOMATIC1111's web UI, so that others find the same files. */
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { occursIn } from '../../text/embedding-tokens.ts';
import { openSafetensors } from '../../weights/formats/safetensors.ts';
import type { LoraChoice } from '../../weights/open/lora.ts';
import type { LoraStrength } from '../../weights/open/lora-strength.ts';
import { type EmbeddingChoice, openEmbedding } from '../../weights/open/textual-inversion.ts';
import { type KeptHashOptions, keptSha256 } from './kept-hashes.ts';

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

/** What the records of a run say of its weights. */
export interface WeightHashes {
  /** Of the file with the weights of the denoiser, as AUTOMATIC1111's web UI writes it. */
  readonly modelHash?: string;
  /** The adapter of a fine-tuning: the first twelve digits of the hash of its file. */
  readonly adapter?: NamedEmbedding;
  /** The same of the motion adapter. */
  readonly motion?: NamedEmbedding;
  readonly loras?: readonly NamedLora[];
  /** Those that occur in the prompts. */
  readonly embeddings?: readonly NamedEmbedding[];
}

/** What a record of any tool says: of LoRAs no more than name and hash. */
export interface RecordedHashes extends Omit<WeightHashes, 'loras'> {
  readonly loras?: readonly Pick<NamedLora, 'name' | 'hash'>[];
}

/** How the weights of a run are hashed. */
type RunHashOptions = Pick<KeptHashOptions, 'signal' | 'env'>;

/** Hashes of weights by file as it is now: a series of runs on one model reads its gigabytes once. */
const known = new Map<string, Promise<string>>();

async function weightsHash(path: string, options: KeptHashOptions = {}): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  const key = `${path} ${size} ${mtimeMs} ${options.start ?? 0}`;
  const hash = known.get(key) ?? keptSha256(path, options);
  known.set(key, hash);
  hash.catch(() => known.delete(key));
  return hash;
}

/** The web UI's `Model hash`: the first ten digits. */
export const modelHash = async (path: string, options?: RunHashOptions): Promise<string> =>
  (await weightsHash(path, options)).slice(0, 10);

/**
 * The web UI's hash of a LoRA, twelve digits: what its training stored, else of the bytes behind the header, which does not change
 * when the metadata is edited; of other formats the hash of the whole file.
 *
 * Reference: AUTOMATIC1111/stable-diffusion-webui, extensions-builtin/Lora/network.py, modules/hashes.py
 */
export async function loraHash(path: string, options?: RunHashOptions): Promise<string> {
  // A file of another format may have this ending, too.
  const header =
    extname(path) === '.safetensors' ? await openSafetensors(path).catch(() => undefined) : undefined;
  const stored = header?.metadata.sshs_model_hash;
  return (stored ?? (await weightsHash(path, { ...options, start: header?.dataStart }))).slice(0, 12);
}

async function namedAdapter(path: string, options: RunHashOptions): Promise<NamedEmbedding> {
  return { name: basename(path, extname(path)), hash: (await weightsHash(path, options)).slice(0, 12) };
}

/**
 * The LoRAs of a run with their hashes.
 *
 * @param given number of those that the prompt does not name, which come first
 */
function namedLoras(
  loras: readonly LoraChoice[],
  given: number,
  options: RunHashOptions,
): Promise<NamedLora[]> {
  return Promise.all(
    loras.map(async ({ path, weight = 1, ...strength }, i) => ({
      name: basename(path, extname(path)),
      weight,
      ...strength,
      hash: await loraHash(path, options),
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
async function namedEmbeddings(
  choices: readonly EmbeddingChoice[],
  texts: readonly string[],
  options: RunHashOptions,
): Promise<NamedEmbedding[]> {
  const named: NamedEmbedding[] = [];
  for (const choice of choices) {
    const embedding = await openEmbedding(choice);
    if (!texts.some((text) => occursIn(text, embedding))) continue;
    named.push({ name: embedding.word, hash: (await weightsHash(embedding.path, options)).slice(0, 12) });
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
export function hashNotes(recorded: RecordedHashes, now: RecordedHashes): string[] {
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
    ['adapter', 'adapter'],
    ['motion adapter', 'motion'],
    ['LoRA', 'loras'],
    ['embedding', 'embeddings'],
  ] as const) {
    for (const { name, hash } of [recorded[key] ?? []].flat()) {
      const found = [now[key] ?? []].flat().find((each) => each.name.toLowerCase() === name.toLowerCase());
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

/** The files whose hashes a run records. The model is open by then, so that they have been checked. */
export interface WeightFiles {
  /** Of the denoiser. */
  readonly weightsPath?: string;
  readonly adapter?: string;
  readonly motionPath?: string;
  readonly loras?: readonly LoraChoice[];
  /** Number of LoRAs that the prompt does not name, which come first. */
  readonly given: number;
  readonly embeddings?: readonly EmbeddingChoice[];
  /** What the text encoder reads. */
  readonly texts: readonly string[];
}

/**
 * Hashes the weights of a run: gigabytes, while the run begins.
 *
 * @param options.signal ends it at once: then the weights are not named
 * @throws where a file cannot be read any more
 */
export async function hashWeights(
  { weightsPath, adapter, motionPath, loras = [], given, embeddings = [], texts }: WeightFiles,
  options: RunHashOptions & { readonly signal: AbortSignal },
): Promise<WeightHashes> {
  try {
    return {
      ...(weightsPath === undefined ? {} : { modelHash: await modelHash(weightsPath, options) }),
      ...(adapter === undefined ? {} : { adapter: await namedAdapter(adapter, options) }),
      ...(motionPath === undefined ? {} : { motion: await namedAdapter(motionPath, options) }),
      ...(loras.length === 0 ? {} : { loras: await namedLoras(loras, given, options) }),
      ...(embeddings.length === 0 ? {} : { embeddings: await namedEmbeddings(embeddings, texts, options) }),
    };
  } catch (error) {
    if (options.signal.aborted) return {};
    throw error;
  }
}
