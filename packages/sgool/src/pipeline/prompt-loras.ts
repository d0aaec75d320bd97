/** @file LoRAs that a prompt names: `<lora:name:0.8>`. */
import { files, places } from '#platform';
import { UserError } from '../errors.ts';
import type { NetworkTag } from '../text/prompt/networks.ts';
import { type PromptSyntax, parsePrompt } from '../text/prompt/prompt.ts';
import type { LoraChoice } from '../weights/open/lora.ts';
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
  const weights = given.map(Number);
  if (weights.length > 1 || weights.some((weight) => !Number.isFinite(weight)) || given.includes('')) {
    throw new UserError(`prompt: ${text}: not supported; a LoRA has one weight, as in <lora:name:0.8>`);
  }
  if (name.split(/[\\/]/).includes('..')) {
    throw new UserError(`prompt: ${text}: the name of a LoRA must not leave its folder`);
  }
  for (const ending of ENDINGS) {
    const path = places.join(dir, `${name}${ending}`);
    if (await files.exists(path)) return weights.length === 0 ? { path } : { path, weight: weights[0] };
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
  { prompt, promptSyntax = 'a1111' }: { readonly prompt: string; readonly promptSyntax?: PromptSyntax },
): Promise<Omit<T, 'loraDir'>> {
  const named = parsePrompt(prompt, promptSyntax, 1).networks.filter(isLoraTag);
  if (loraDir === undefined || named.length === 0) return options;
  const found: LoraChoice[] = [];
  for (const tag of named) found.push(await choiceOf(tag, loraDir));
  return { ...options, loras: [...(options.loras ?? []), ...found] };
}
