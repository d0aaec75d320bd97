/** @file LoRAs that a prompt names: `<lora:name:0.8>`. */
import { files, places } from '#platform';
import { UserError } from '../errors.ts';
import type { NetworkTag } from '../text/prompt/networks.ts';
import { DEFAULT_SYNTAX, type PromptSyntax, parsePrompt } from '../text/prompt/prompt.ts';
import type { LoraChoice } from '../weights/open/lora.ts';
import { loraStrength } from '../weights/open/lora-strength.ts';
import type { LoadOptions } from './load-pipeline.ts';

/** Where the LoRAs are that prompts name. */
export interface PromptLoraOptions {
  /** Folder with the files of LoRAs: `<lora:name:0.8>` in the prompt applies `name.safetensors` (or .pt, .ckpt, .bin). */
  readonly loraDir?: string;
}

const ENDINGS = ['.safetensors', '.pt', '.ckpt', '.bin'];

/** Whether a tag names a LoRA. */
export const isLoraTag = ({ kind }: NetworkTag): boolean => kind === 'lora' || kind === 'lyco';

async function choiceOf({ text, values: [name, ...given] }: NetworkTag, dir: string): Promise<LoraChoice> {
  const strength = loraStrength(given, `prompt: ${text}`);
  if (name.trim() === '') throw new UserError(`prompt: ${text}: the name of the LoRA is missing`);
  if (name.split(/[\\/]/).includes('..')) {
    throw new UserError(`prompt: ${text}: the name of a LoRA must not leave its folder`);
  }
  for (const ending of ENDINGS) {
    const path = places.join(dir, `${name}${ending}`);
    if (await files.exists(path)) return { path, ...strength };
  }
  throw new UserError(
    `prompt: ${text}: ${dir} has no file ${name}.safetensors (nor ${ENDINGS.slice(1).join(', ')})`,
  );
}

/**
 * Options for loading with the LoRAs that a prompt names, after those that were given.
 *
 * @throws UserError where a file is missing or a tag says more than a name and a weight
 */
export async function withPromptLoras<T extends LoadOptions & PromptLoraOptions>(
  { loraDir, ...options }: T,
  {
    prompt,
    promptSyntax = DEFAULT_SYNTAX,
  }: { readonly prompt: string; readonly promptSyntax?: PromptSyntax },
): Promise<Omit<T, 'loraDir'>> {
  const named = parsePrompt(prompt, promptSyntax, 1).networks.filter(isLoraTag);
  if (loraDir === undefined || named.length === 0) return options;
  const found: LoraChoice[] = [];
  for (const tag of named) found.push(await choiceOf(tag, loraDir));
  return { ...options, loras: [...(options.loras ?? []), ...found] };
}
