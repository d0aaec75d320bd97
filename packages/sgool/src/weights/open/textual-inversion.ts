/**
 * @file Textual inversion: a word of the prompt whose vectors a file brings, one or several.
 *
 * Reference: Gal et al. 2022, An Image is Worth One Word; diffusers, loaders/textual_inversion.py; A1111, modules/textual_inversion
 */
import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { float32Of } from '../formats/tensor-views.ts';
import type { TensorFile, WeightTensor } from '../formats/weight-source.ts';
import { refuseAs } from '../names/known-files.ts';

/** A file of an embedding, and the word that stands for it. */
export interface EmbeddingChoice {
  /** A .pt, .bin or .safetensors file in the form of diffusers or of AUTOMATIC1111's web UI, or diffusers' folder with one. */
  readonly path: string;
  /** The word of the prompt. Default: in diffusers' form the token in the file, in the web UI's form the file's name without its ending. */
  readonly name?: string;
  /** Whether the word counts only where no letter or digit touches it. Default: in the web UI's form. */
  readonly isWholeWord?: boolean;
}

/** An opened embedding. */
export interface TextEmbedding {
  readonly path: string;
  /** The word of the prompt. */
  readonly word: string;
  /** Whether the word counts only where no letter or digit touches it: the web UI's form, whose names are plain words. */
  readonly isWholeWord: boolean;
  readonly vectors: number;
  readonly width: number;
  /** [vectors, width]. */
  readonly data: Float32Array;
}

/** Names of an embedding in diffusers' folders. */
export const LEARNED_EMBEDS = ['learned_embeds.safetensors', 'learned_embeds.bin'] as const;

const A1111_PT = 'string_to_param.';
const A1111_SAFE = 'emb_params';

/** The tensor of the vectors, and the token where the form of the file names it. */
function vectorsIn({ path, tensors }: TensorFile): { tensor: WeightTensor; token?: string } {
  const names = [...tensors.keys()];
  if (names.some((name) => name === 'clip_l' || name === 'clip_g')) {
    throw new UserError(
      `${path}: an embedding for Stable Diffusion XL (clip_l, clip_g), which is not supported; use one for Stable Diffusion 1.x or 2.x`,
    );
  }
  const stored = names.filter((name) => name.startsWith(A1111_PT));
  const own = stored.length > 0 ? stored : names;
  if (own.length !== 1) {
    throw new UserError(
      `${path}: not an embedding: it holds ${own.length} tensors, such as ${own.slice(0, 2).join(' and ')}; one with the vectors of one word is expected`,
    );
  }
  const [name] = own;
  const tensor = tensors.get(name) as WeightTensor;
  if (![1, 2].includes(tensor.shape.length) || tensor.shape.includes(0)) {
    throw new UserError(
      `${path}: not an embedding: ${name} has shape [${tensor.shape}]; [width] or [vectors, width] is expected`,
    );
  }
  return stored.length > 0 || name === A1111_SAFE ? { tensor } : { tensor, token: name };
}

/** The file itself, or that of diffusers' folder. */
export async function embeddingFile(path: string): Promise<string> {
  if (!(await files.isFolder(path)) || (await files.isFile(path))) return path;
  for (const name of LEARNED_EMBEDS) {
    const file = places.join(path, name);
    if (await files.exists(file)) return file;
  }
  throw new UserError(
    `${path}: a folder without an embedding; give the file itself, or a folder with ${LEARNED_EMBEDS.join(' or ')}`,
  );
}

/**
 * Opens an embedding.
 *
 * @throws UserError when the file is none, or is made for another kind of model
 */
export async function openEmbedding({
  path: given,
  name,
  isWholeWord,
}: EmbeddingChoice): Promise<TextEmbedding> {
  const path = await embeddingFile(given);
  const file = await openTensorFile(path);
  refuseAs('embedding', file);
  const { tensor, token } = vectorsIn(file);
  const stem = places.basename(path).replace(/\.[^.]+$/, '');
  const word = (name ?? token ?? stem).trim();
  if (word === '') throw new UserError(`${path}: the word of an embedding must not be empty`);
  const width = tensor.shape.at(-1) ?? 0;
  const vectors = tensor.shape.length === 1 ? 1 : tensor.shape[0];
  return {
    path,
    word,
    isWholeWord: isWholeWord ?? token === undefined,
    vectors,
    width,
    data: float32Of(tensor),
  };
}

/**
 * Opens the embeddings of a model.
 *
 * @throws UserError when one cannot be used, or two have the same word
 */
export async function openEmbeddings(choices: readonly EmbeddingChoice[]): Promise<TextEmbedding[]> {
  const opened: TextEmbedding[] = [];
  for (const choice of choices) {
    const found = await openEmbedding(choice);
    // Words are compared as prompts are read, without regard to case.
    const same = opened.find(({ word }) => word.toLowerCase() === found.word.toLowerCase());
    if (same !== undefined) {
      throw new UserError(
        `${found.path}: its word ${found.word} is that of ${same.path} too; give one another word: file=word`,
      );
    }
    opened.push(found);
  }
  return opened;
}

/** A line for the user about an embedding. */
export function embeddingNote({ path, word, vectors }: TextEmbedding): string {
  const count = vectors === 1 ? '1 vector' : `${vectors} vectors`;
  return `${word} in a prompt stands for ${places.basename(path)} (${count}); CLIP critics and scorers do not know it: they read it as a word`;
}
