/** @file Files that prompts name: LoRAs and embeddings of the folders that were given. */
import { DEFAULT_SYNTAX, type PromptSyntax } from '../text/prompt/prompt.ts';
import type { LoadOptions } from './load-pipeline.ts';
import { type PromptEmbeddingOptions, withPromptEmbeddings } from './prompt-embeddings.ts';
import { type PromptLoraOptions, withPromptLoras } from './prompt-loras.ts';

/** Folders with the files that prompts name. */
export interface PromptFileOptions extends PromptLoraOptions, PromptEmbeddingOptions {}

/** A request, as far as it names files. */
export interface NamingRequest {
  readonly prompt: string;
  readonly negativePrompt?: string;
  readonly sourcePrompt?: string;
  readonly regionPrompt?: string;
  readonly regionNegativePrompt?: string;
  readonly promptSyntax?: PromptSyntax;
}

/**
 * Options for loading with the LoRAs and embeddings that the prompts of a request name, after those that were given.
 *
 * @throws UserError where a file is missing, or a tag cannot be used
 */
export async function withPromptFiles<T extends LoadOptions & PromptFileOptions>(
  options: T,
  { prompt, promptSyntax = DEFAULT_SYNTAX, ...others }: NamingRequest,
): Promise<Omit<Omit<T, 'loraDir'>, 'embeddingsDir'>> {
  const texts = [prompt, ...otherPrompts(others)];
  return withPromptEmbeddings(await withPromptLoras(options, { prompt, promptSyntax }), {
    texts,
    promptSyntax,
  });
}

/** The prompts of a request beside the first one, without those that are empty. */
export function otherPrompts({
  negativePrompt = '',
  sourcePrompt = '',
  regionPrompt = '',
  regionNegativePrompt = '',
}: Partial<NamingRequest>): string[] {
  return [negativePrompt, sourcePrompt, regionPrompt, regionNegativePrompt].filter((text) => text !== '');
}
