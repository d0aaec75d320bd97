/** @file Embeddings (textual inversion) that a prompt names: a word that is the name of a file in a folder. */
import { files, places } from '#platform';
import { UserError } from '../errors.ts';
import { occursIn } from '../text/embedding-tokens.ts';
import { type PromptSyntax, promptWords } from '../text/prompt/prompt.ts';
import { type EmbeddingChoice, LEARNED_EMBEDS } from '../weights/open/textual-inversion.ts';
import type { LoadOptions } from './load-pipeline.ts';

/** Where the embeddings are that prompts name. */
export interface PromptEmbeddingOptions {
  /**
   * Folder with embeddings: a word of a prompt that is the name of a file in it, without its ending, stands for it. A folder of diffusers
   * with `learned_embeds.safetensors` or `.bin` goes by its own name. Files that no prompt names are not opened.
   */
  readonly embeddingsDir?: string;
}

/** The texts of a request that the text encoder reads. */
export interface PromptTexts {
  readonly texts: readonly string[];
  readonly promptSyntax: PromptSyntax;
}

const ENDING = /\.(safetensors|pt|bin)$/i;
/** Images that hold an embedding, as the web UI writes them. */
const IMAGE = /\.(png|webp|jxl|avif)$/i;

/** Folders in the folder are searched as well, as the web UI does; deeper ones than this are a mistake. */
const MAX_DEPTH = 8;

/** Files by the word that stands for them. */
async function embeddingsIn(dir: string, depth = 0): Promise<{ word: string; path: string }[]> {
  const names = await files.list(dir);
  if (names === undefined) {
    throw new UserError(`embeddings: the files of ${dir} cannot be listed here; name them one by one`);
  }
  const found: { word: string; path: string }[] = [];
  for (const name of [...names].sort()) {
    const path = places.join(dir, name);
    if (ENDING.test(name) || IMAGE.test(name)) found.push({ word: name.replace(/\.[^.]+$/, ''), path });
    else if (depth < MAX_DEPTH && (await files.isFolder(path))) {
      const inside = await Promise.all(LEARNED_EMBEDS.map((each) => files.exists(places.join(path, each))));
      if (inside.includes(true)) found.push({ word: name, path });
      else found.push(...(await embeddingsIn(path, depth + 1)));
    }
  }
  return found;
}

/** `cat.png` or `cat.preview.png` beside `cat.pt`. */
const isPreview = (image: string, word: string) => image === word || image === `${word}.preview`;

/**
 * Options for loading with the embeddings that prompts name, after those that were given.
 *
 * @throws UserError where the folder cannot be read, or two of its files have the name that a prompt holds
 */
export async function withPromptEmbeddings<T extends LoadOptions & PromptEmbeddingOptions>(
  { embeddingsDir, ...options }: T,
  { texts, promptSyntax }: PromptTexts,
): Promise<Omit<T, 'embeddingsDir'>> {
  if (embeddingsDir === undefined) return options;
  const words = texts.map((text) => promptWords(text, promptSyntax));
  const named = (await embeddingsIn(embeddingsDir)).filter(({ word }) =>
    words.some((text) => occursIn(text, { word, isWholeWord: true })),
  );
  const stored = named.filter(({ path }) => !IMAGE.test(path));
  // Beside an embedding the web UI keeps a preview of the same name.
  const alone = named.find(
    ({ word, path }) => IMAGE.test(path) && !stored.some((other) => isPreview(word, other.word)),
  );
  if (alone !== undefined) {
    throw new UserError(
      `${alone.path}: an embedding inside an image is not supported; ${alone.word} needs a .pt, .bin or .safetensors file`,
    );
  }
  const found = stored.map(({ word, path }): EmbeddingChoice => ({ path, name: word, isWholeWord: true }));
  return { ...options, embeddings: [...(options.embeddings ?? []), ...found] };
}
