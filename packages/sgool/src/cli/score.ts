/** @file `sgool score <image> <prompt>`: CLIP scores. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../errors.ts';
import { readImage } from '../image/index.ts';
import { USAGE_ERROR } from './exit-codes.ts';
import { formatTable } from './format.ts';
import type { Host } from './host.ts';
import { deviceOption, modelOption } from './model-options.ts';
import { addCriticOptions, loadOptionsOf, type ModelParts } from './model-parts.ts';

interface ScoreOptions extends ModelParts {
  readonly model: string;
  readonly device: string;
  readonly json?: boolean;
}

const NOTES = `
A score is 100 times the cosine between picture and prompt. CLIP A is the one that guides, CLIP B only reports.

Examples:
  sgool score picture.png "a red cat to the left of a blue boat"
  sgool score picture.png "a red cat" --json`;

export function configure(command: Command, host: Host): void {
  addCriticOptions(command, host)
    .argument('<image>', 'a picture: PNG, JPEG, WebP ...')
    .argument('<prompt>', 'what it should show')
    .addOption(modelOption(host))
    .addOption(deviceOption(host))
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action((image: string, prompt: string, options: ScoreOptions) => score(image, prompt, options, host));
}

async function score(
  path: string,
  prompt: string,
  { model, device, json = false, ...parts }: ScoreOptions,
  host: Host,
) {
  if (prompt.trim() === '') {
    throw new UserError('prompt: must not be empty; say what the picture should show', {
      exitCode: USAGE_ERROR,
    });
  }
  const image = await readImage(resolve(host.cwd, path));
  const engine = await host.loadEngine();
  const pipeline = await engine.openPipeline(model, { ...loadOptionsOf(parts), device });
  try {
    const { truncated, tokens, lost } = pipeline.checkPrompt(prompt);
    if (truncated) {
      const cut = `its first ${tokens.length} tokens count, the last ${lost} are left out`;
      host.stderr.write(`sgool: warning: the prompt is too long for ${model}: ${cut}\n`);
    }
    const clip = await pipeline.score(image, prompt);
    const rows = (['A', 'B'] as const).flatMap((name) => {
      const value = clip[name];
      return value === undefined ? [] : [[`CLIP ${name}`, value.toFixed(2)]];
    });
    if (rows.length === 0)
      throw new UserError(`model: ${model} has no CLIP to score with; choose another one`);
    const result = { image: resolve(host.cwd, path), prompt, model, truncated, clip };
    host.stdout.write(json ? `${JSON.stringify(result)}\n` : `${formatTable(rows)}\n`);
  } finally {
    await pipeline.dispose();
  }
}
