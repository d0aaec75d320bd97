/** @file `--explain`: what the prompts of a command are read as, without a model. */
import { DEFAULT_SYNTAX, parsePrompt } from '../../text/prompt/prompt.ts';
import type { Host } from '../host.ts';
import { EXPLAINED_STEPS, explainPrompt } from '../options/explain-prompt.ts';
import type { ImageCommand } from '../options/read-options.ts';
import { readPrompts } from './series.ts';

/**
 * Prints what every prompt of a command is read as.
 *
 * @throws UserError where the prompts cannot be read, or one cannot be used
 */
export async function explainPrompts({ prompt, values, json }: ImageCommand, host: Host): Promise<void> {
  const {
    prompts: file,
    negativePrompt = '',
    sourcePrompt = '',
    promptSyntax = DEFAULT_SYNTAX,
    steps,
  } = values;
  const own = file === undefined ? [prompt] : await readPrompts(file, host);
  const texts = [
    ...own.map((text) => ({ what: 'prompt', text })),
    ...(negativePrompt === '' ? [] : [{ what: 'negative prompt', text: negativePrompt }]),
    ...(sourcePrompt === '' ? [] : [{ what: 'description of the image', text: sourcePrompt }]),
  ];
  const count = steps ?? EXPLAINED_STEPS;
  for (const { what, text } of texts) {
    const parsed = parsePrompt(text, promptSyntax, count);
    if (json) {
      host.stdout.write(`${JSON.stringify({ what, prompt: text, ...parsed })}\n`);
      continue;
    }
    if (texts.length > 1) host.stdout.write(`${what}: ${text}\n`);
    host.stdout.write(explainPrompt(parsed, count));
    if (parsed.stages.length > 1 && steps === undefined) {
      host.stdout.write(`for ${count} steps; --steps says how many there are\n`);
    }
  }
}
