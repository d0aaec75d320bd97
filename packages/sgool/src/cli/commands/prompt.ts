/** @file `sgool prompt <text>`: how a prompt is read, without a model. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type ParsedPrompt,
  PROMPT_SYNTAXES,
  type PromptSyntax,
  parsePrompt,
} from '../../text/prompt/prompt.ts';
import type { PromptPart } from '../../text/prompt/weighted-text.ts';
import type { Host } from '../host.ts';
import { formatTable } from '../terminal/format.ts';

const NOTES = `
a1111, as AUTOMATIC1111's web UI reads prompts:
  (red:1.3)       red weighs 1.3; (red) weighs 1.1, ((red)) 1.21, [red] 1/1.1
  \\( \\) \\[ \\]     the character itself
  BREAK           what follows is read apart, as a chunk of its own
  [a:b:0.5]       a in the first half of the steps, then b; [a:b:10] up to step 10
  [a:10] [a::10]  a begins after step 10, or ends there
  [a|b]           a and b take turns, step by step
  <lora:name:0.8> a LoRA of the folder that generate gets with --lora-dir
A prompt may have any length. CLIP and other scorers read its text alone.

Examples:
  sgool prompt "a (red:1.3) cat, [day:night:0.5]"
  sgool prompt "a cat (on a chair)" --prompt-syntax plain
  sgool prompt "a [cow|horse]" --steps 4 --json`;

interface PromptOptions {
  readonly promptSyntax: PromptSyntax;
  readonly steps: number;
  readonly json?: boolean;
}

function parseSteps(text: string): number {
  const steps = Number(text);
  if (Number.isInteger(steps) && steps >= 1 && steps <= 1000) return steps;
  throw new InvalidArgumentError('It must be a whole number from 1 to 1000.');
}

/** Adds arguments, options and the action. */
export function configure(command: Command, { stdout }: Host): void {
  command
    .argument('<text>', 'the prompt')
    .addOption(
      new Option('--prompt-syntax <name>', 'how it is read').choices([...PROMPT_SYNTAXES]).default('a1111'),
    )
    .option('--steps <n>', 'denoising steps, of which changes may be a share', parseSteps, 50)
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action((text: string, { promptSyntax, steps, json = false }: PromptOptions) => {
      const prompt = parsePrompt(text, promptSyntax, steps);
      stdout.write(json ? `${JSON.stringify(prompt)}\n` : shown(prompt, steps));
    });
}

function partRow(part: PromptPart): string[] {
  return part === 'break'
    ? ['', 'BREAK']
    : [String(Number(part.weight.toFixed(4))), JSON.stringify(part.text)];
}

/** A table of the stages, and a line for each thing beside it. */
function shown({ stages, networks, text, notes }: ParsedPrompt, steps: number): string {
  const rows = stages.flatMap(({ until, parts }, i) => {
    // Counted from 1, as users do.
    const [first, last] = [i === 0 ? 1 : stages[i - 1].until + 2, Math.min(steps, until + 1)];
    if (first > last) return [];
    const range = first === last ? `step ${first}` : `steps ${first}-${last}`;
    const cells = stages.length > 1 ? [range] : [];
    return parts
      .filter((part) => part === 'break' || part.text !== '')
      .map((part, k) => [...cells.map((cell) => (k === 0 ? cell : '')), ...partRow(part)]);
  });
  const lines = [
    formatTable(rows),
    `scorers read: ${JSON.stringify(text)}`,
    ...networks.map((tag) => `${tag.kind}: ${tag.values.join(', ')}`),
    ...notes,
  ];
  return `${lines.join('\n')}\n`;
}
