/** @file Messages about a prompt that is empty or too long. */
import { Option } from 'commander';
import type { PromptFit } from '../../models/backbone.ts';
import { isLoraTag } from '../../pipeline/prompt-loras.ts';
import { fitNotes } from '../../text/fit-notes.ts';
import {
  DEFAULT_SYNTAX,
  hasSyntax as isMarkedUp,
  PROMPT_SYNTAXES,
  type PromptSyntax,
  parsePrompt,
} from '../../text/prompt/prompt.ts';
import type { Host } from '../host.ts';
import { oneLine } from '../terminal/format.ts';
import { usageError } from '../usage-error.ts';

/**
 * @param instead what else the command offers
 * @throws UserError where the prompt is empty
 */
export function checkPrompt(prompt: string, instead = ''): void {
  if (prompt.trim() !== '') return;
  throw usageError(`prompt: must not be empty; say what the image should show${instead}`);
}

/** `--prompt-syntax`, for commands whose prompts only critics read. */
export const promptSyntaxOption = (): Option =>
  new Option('--prompt-syntax <name>', 'how the prompt is read')
    .choices([...PROMPT_SYNTAXES])
    .default(DEFAULT_SYNTAX);

/** The text of a prompt without weights and tags, as `generate` gives it to its critics; one line says where that is another text. */
export function criticsText(
  what: string,
  prompt: string,
  syntax: PromptSyntax,
  { stderr }: Pick<Host, 'stderr'>,
): string {
  const parsed = parsePrompt(prompt, syntax, 1);
  if (!isMarkedUp(parsed) && parsed.networks.length === 0) return prompt;
  stderr.write(`sgool: ${what} is the text without weights and tags: ${oneLine(parsed.text)}\n`);
  return parsed.text;
}

/**
 * What is not as its writer may expect, one line each: cut off, unknown words, long, with weights, not supported.
 *
 * @param hasLoras whether the LoRAs that it names are applied
 */
export function promptNotes(what: string, who: string, fit: PromptFit, hasLoras: boolean): string[] {
  const { syntax, tokens, chunks = 1, hasSyntax = false, networks = [], notes = [] } = fit;
  const lines = fitNotes(what, who, { ...fit, kept: tokens.length });
  if (chunks > 1) {
    lines.push(
      `the ${what} has ${tokens.length} tokens: the image is made from all of them, in ${chunks} chunks`,
    );
  }
  // Only what is read without being asked for may surprise.
  if (hasSyntax && syntax === DEFAULT_SYNTAX) {
    lines.push(
      `brackets in the ${what} are weights, as (red:1.3); see them with: sgool prompt; for brackets as text: --prompt-syntax plain`,
    );
  }
  for (const tag of networks) {
    if (isLoraTag(tag) && hasLoras) continue;
    const how =
      isLoraTag(tag) && what === 'prompt'
        ? 'was left out; name its folder with --lora-dir'
        : 'is not supported; it was left out';
    lines.push(`${tag.text} in the ${what} ${how}`);
  }
  return [...lines, ...notes];
}
