/** @file `sgool prompt <text>`: how a prompt is read, by itself or by a model. */
import { type Command, Option } from 'commander';
import { DEFAULT_SYNTAX, PROMPT_SYNTAXES, type PromptSyntax, parsePrompt } from '../../text/prompt/prompt.ts';
import type { Host } from '../host.ts';
import { EXPLAINED_STEPS, explainPrompt } from '../options/explain-prompt.ts';
import { loadOptionsOf, type ModelValues, sharedOptions, sharedValues } from '../options/model-options.ts';
import type { OptionValues } from '../options/option.ts';
import { kebabName } from '../options/other-names.ts';
import { wholeNumber } from '../options/whole-number.ts';
import { readingNotes } from '../run/prompt-warnings.ts';
import { usageError } from '../usage-error.ts';

const NOTES = `
a1111, as AUTOMATIC1111's web UI reads prompts:
  (red:1.3)       red weighs 1.3; (red) weighs 1.1, ((red)) 1.21, [red] 1/1.1
  \\( \\) \\[ \\]     the character itself
  BREAK           what follows is read apart, as a chunk of its own
  [a:b:0.5]       a in the first half of the steps, then b; [a:b:10] up to step 10
  [a:10] [a::10]  a begins after step 10, or ends there
  [a|b]           a and b take turns, step by step
  <lora:name:0.8> a LoRA of the folder that generate gets with --lora-dir;
                  <lora:name:0.8:0.5> for text encoder and UNet apart,
                  <lora:name:0.8:lbw=OUTD> by block (a preset, 17 or 26 numbers)

compel, as the library of this name reads them for diffusers:
  (red)1.3        red weighs 1.3; red+ weighs 1.1, red++ 1.21, red- 0.9
  (a cat)++       the same for several words, in brackets or "quotes"
  \\( \\) \\"        the character itself
  ("a cat", "a dog").blend(0.7, 0.3)  a mixture of two prompts
  ("a cat", "a hat").and()            two prompts, one after the other
  withLora(name, 0.8)                 as <lora:name:0.8>, which is read too

plain: everything is text, and what is too long is cut off.
Under the other two a prompt may have any length. CLIP and other scorers read
its text alone. A model with a small vocabulary, such as toybox, knows only its
words: --model names those that it lacks.

Examples:
  sgool prompt "a (red:1.3) cat, [day:night:0.5]"
  sgool prompt "a cat (on a chair)" --prompt-syntax plain
  sgool prompt "a [cow|horse]" --steps 4 --json
  sgool prompt "a red dragon" --model toybox
  sgool prompt '("a cat", "a (red)1.4 dog").blend(0.7, 0.3)' --prompt-syntax compel`;

interface PromptOptions extends OptionValues {
  readonly promptSyntax: PromptSyntax;
  readonly steps: number;
  readonly model?: string;
  readonly json?: boolean;
}

const parseSteps = (text: string): number => wholeNumber('--steps', text, 1, 1000);

/** The model has a text of its own here, and nothing is computed. */
const WITHOUT = ['model', 'device', 'precision', 'memory'] as const;

/** What a model does not read of a prompt. @throws UserError where it cannot be opened */
async function notesOf(
  model: string,
  parts: ModelValues,
  prompt: string,
  promptSyntax: PromptSyntax,
  host: Host,
) {
  const engine = await host.loadEngine();
  const pipeline = await engine.openPipeline(model, loadOptionsOf(parts));
  try {
    return await readingNotes(prompt, promptSyntax, pipeline);
  } finally {
    await pipeline.dispose();
  }
}

/** Adds arguments, options and the action. */
export function configure(command: Command, host: Host): void {
  command
    .argument('<text>', 'the prompt')
    .addOption(
      new Option('--prompt-syntax <name>', 'how it is read')
        .choices([...PROMPT_SYNTAXES])
        .default(DEFAULT_SYNTAX),
    )
    .option('--steps <n>', 'denoising steps, of which changes may be a share', parseSteps, EXPLAINED_STEPS)
    .option('--model <name>', 'a model, of which is said what it does not read of the prompt')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES);
  for (const option of sharedOptions(WITHOUT)) command.addOption(option);
  command.action(
    async (text: string, { promptSyntax, steps, model, json = false, ...flags }: PromptOptions) => {
      const prompt = parsePrompt(text, promptSyntax, steps);
      const [part] = Object.keys(flags);
      if (model === undefined && part !== undefined) {
        throw usageError(`--${kebabName(part)}: belongs to a model, and none is named; give --model, too`);
      }
      const parts = () => sharedValues(flags, host, WITHOUT);
      const lines = model === undefined ? [] : await notesOf(model, parts(), text, promptSyntax, host);
      const found = model === undefined ? prompt : { ...prompt, model: { name: model, notes: lines } };
      const rest = lines.map((line) => `${line}\n`).join('');
      host.stdout.write(json ? `${JSON.stringify(found)}\n` : explainPrompt(prompt, steps) + rest);
    },
  );
}
