/** @file `--explain`: what the prompts of a command are read as, and what its model does not read of them. */
import { UserError } from '../../errors.ts';
import { writtenTexts } from '../../methods/detail/region-texts.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { withPromptFiles } from '../../pipeline/prompt-files.ts';
import { DEFAULT_SYNTAX, type PromptSyntax, parsePrompt } from '../../text/prompt/prompt.ts';
import { DEFAULT_MODEL } from '../../weights/open/locate-model.ts';
import type { Host } from '../host.ts';
import { EXPLAINED_STEPS, explainPrompt } from '../options/explain-prompt.ts';
import { loadOptionsOf } from '../options/model-options.ts';
import type { ImageCommand } from '../options/read-options.ts';
import { readingNotes } from './prompt-warnings.ts';
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
    regionPrompt = '',
    regionNegativePrompt = '',
    promptSyntax = DEFAULT_SYNTAX,
    steps,
  } = values;
  const own = file === undefined ? [prompt] : await readPrompts(file, host);
  const texts = [
    ...own.map((text) => ({ what: 'prompt', text })),
    ...(negativePrompt === '' ? [] : [{ what: 'negative prompt', text: negativePrompt }]),
    ...(sourcePrompt === '' ? [] : [{ what: 'description of the image', text: sourcePrompt }]),
    ...writtenTexts(regionPrompt).map((text) => ({ what: 'prompt of a region', text })),
    ...writtenTexts(regionNegativePrompt).map((text) => ({ what: 'negative prompt of a region', text })),
  ];
  const pipeline = await openModel(values, own, host);
  let refused = 0;
  try {
    for (const { what, text } of texts) {
      if (texts.length > 1 && !json) host.stdout.write(`${what}: ${text}\n`);
      try {
        show(what, text, { promptSyntax, steps, json }, host);
      } catch (error) {
        if (!(error instanceof UserError) || texts.length === 1) throw error;
        refused++;
        host.stderr.write(`sgool: ${error.message}\n`);
        continue;
      }
      const notes = pipeline ? await readingNotes(text, promptSyntax, pipeline) : [];
      for (const line of notes) host.stderr.write(`sgool: warning: ${line}\n`);
    }
  } finally {
    await pipeline?.dispose();
  }
  if (refused > 0) throw new UserError(`${refused} of ${texts.length} prompts cannot be used`);
}

/** The model of a command; undefined where it cannot be opened, which is said: the rest needs none. */
async function openModel(
  values: ImageCommand['values'],
  prompts: readonly string[],
  host: Host,
): Promise<Pipeline | undefined> {
  const { model = DEFAULT_MODEL } = values;
  try {
    const engine = await host.loadEngine();
    const naming = { ...values, prompt: prompts.join(' ') };
    return await engine.openPipeline(model, await withPromptFiles(loadOptionsOf(values), naming));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    host.stderr.write(`sgool: which words ${model} lacks cannot be said: ${error.message}\n`);
    return undefined;
  }
}

interface Reading {
  readonly promptSyntax: PromptSyntax;
  readonly steps: number | undefined;
  readonly json: boolean;
}

function show(what: string, text: string, { promptSyntax, steps, json }: Reading, { stdout }: Host): void {
  const count = steps ?? EXPLAINED_STEPS;
  const parsed = parsePrompt(text, promptSyntax, count);
  if (json) {
    stdout.write(`${JSON.stringify({ what, prompt: text, ...parsed })}\n`);
    return;
  }
  stdout.write(explainPrompt(parsed, count));
  if (parsed.stages.length > 1 && steps === undefined) {
    stdout.write(`for ${count} steps; --steps says how many there are\n`);
  }
}
