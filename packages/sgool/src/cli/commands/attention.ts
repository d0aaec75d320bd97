/** @file `sgool attention <prompt>`: which parts of an image read which words while it is made. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { MappedImage } from '../../methods/attention-maps.ts';
import { ATTENTION_MAPS } from '../../methods/attention-maps-request.ts';
import type { StepProgress } from '../../methods/run/iteration.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { withPromptFiles } from '../../pipeline/prompt-files.ts';
import { seedForJson } from '../../random/seed.ts';
import { negativePromptNote } from '../../request/effect.ts';
import { DEFAULT_SYNTAX } from '../../text/prompt/prompt.ts';
import { DEFAULT_MODEL } from '../../weights/open/locate-model.ts';
import type { Host } from '../host.ts';
import { attentionOptions, type Values } from '../options/image-options.ts';
import { loadOptionsOf, withoutParts } from '../options/model-options.ts';
import {
  addImageOptions,
  type ImageCommand,
  type ImageCommandKind,
  readImageCommand,
} from '../options/read-options.ts';
import { attentionSheet } from '../run/attention-sheet.ts';
import { readingNotes } from '../run/prompt-warnings.ts';
import { imageTarget, writeImage } from '../run/write-output.ts';
import { shownPath } from '../terminal/format.ts';
import { createProgress } from '../terminal/progress.ts';

const NOTES = `
The image is made as sgool generate --method sd makes it. At some steps (five,
or --at-steps) the maps of its cross-attention are kept: how much each position
reads a word, the mean over the heads of a layer. The sheet shows them over the
finished image, by word, layer and step. Words of several tokens have the mean
of their maps. Without --tokens the nouns of the prompt are shown.

--json prints the maps themselves: for each step and layer a list of numbers for
each word, row by row.

Examples:
  sgool attention "a red cat and a blue boat"
  sgool attention "a red cat and a blue boat" --tokens red,cat --layers 8x8 --at-steps 1,10,50
  sgool attention "a lion with a crown" --model ./sd-1.4 --layers mid,up_blocks.1 --out lion.png
  sgool attention "a red cat" --seed 7 --json > maps.json`;

/** Adds arguments, options and the action. */
export function configure(command: Command, host: Host): void {
  const kind: ImageCommandKind = {
    options: attentionOptions(),
    subject: () => ({ method: ATTENTION_MAPS, title: ATTENTION_MAPS.name }),
  };
  addImageOptions(command.argument('[prompt]', 'what the image should show'), kind.options)
    .addHelpText('after', NOTES)
    .action(async (prompt: string | undefined, flags: Readonly<Record<string, unknown>>) => {
      const read = await readImageCommand(command, prompt, flags, kind, host);
      await attention(read, host);
    });
}

async function attention(command: ImageCommand, host: Host): Promise<void> {
  const { prompt, values, json, quiet } = command;
  const { out, device, precision, ...own } = withoutParts(values);
  const path = out === undefined ? freePath(host.cwd) : resolve(host.cwd, out);
  const target = await imageTarget(path, '--out');
  const progress = createProgress(host.stderr, { quiet });
  for (const line of [...command.warnings, ...command.notes]) progress.warn(line);
  const request = { ...own, prompt };
  const engine = await host.loadEngine();
  const options = await withPromptFiles(loadOptionsOf(values), request);
  const pipeline = await engine.openPipeline(values.model ?? DEFAULT_MODEL, options);
  try {
    for (const line of pipeline.model.notes ?? []) progress.note(line);
    const { promptSyntax = DEFAULT_SYNTAX } = values;
    for (const line of await readingNotes(prompt, promptSyntax, pipeline)) progress.warn(line);
    const onStep = (step: StepProgress) => progress.step(step);
    const mapped = await engine.mapAttention(pipeline, request, { onStep });
    for (const line of settingNotes(mapped, values, pipeline)) progress.note(line);
    progress.end();
    await writeImage(target, attentionSheet(mapped, prompt), host.stdout);
    // The image itself is on stdout then.
    if (target.isStdout) return;
    if (json) host.stdout.write(`${JSON.stringify(jsonOf(mapped, prompt, target.path))}\n`);
    else host.stdout.data(`${shownPath(target.path, host)}\n`);
  } finally {
    progress.end();
    await pipeline.dispose();
  }
}

/** What of the settings is not read, one line each. */
function settingNotes(
  { settings }: MappedImage,
  values: Values,
  { model }: Pick<Pipeline, 'model'>,
): string[] {
  const { negativePrompt = '' } = values;
  const unread = negativePromptNote({ settings, model }, { negativePrompt });
  return [...(unread === undefined ? [] : [unread]), ...(model.samplerNotes?.(settings.sampler) ?? [])];
}

/** What `--json` prints. */
function jsonOf({ seed, words, steps, maps }: MappedImage, prompt: string, path: string) {
  return {
    prompt,
    seed: seedForJson(seed),
    words,
    steps,
    maps: maps.map(({ layer: { name, heads, rows, columns }, step, timestep, words: own }) => ({
      layer: name,
      heads,
      rows,
      columns,
      step,
      timestep,
      words: own.map((map) => Array.from(map, (value) => Number(value.toPrecision(5)))),
    })),
    paths: { attention: path },
  };
}

/** `attention.png` in the current folder, or the next number that is free. */
function freePath(cwd: string): string {
  for (let number = 1; ; number++) {
    const path = join(cwd, `attention${number === 1 ? '' : `-${number}`}.png`);
    if (!existsSync(path)) return path;
  }
}
