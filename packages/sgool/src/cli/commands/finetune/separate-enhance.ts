/** @file `sgool finetune separate-enhance [prompt]`: reads the options and trains. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { parseConcepts } from '../../../finetune/concepts.ts';
import type { FineTuneRequest } from '../../../finetune/separate-enhance.ts';
import {
  type FineTuneSettingKey,
  fineTuneSettings,
  MOST_STEPS,
  RECIPES,
} from '../../../finetune/settings.ts';
import { SIZE_LIMITS } from '../../../platform/size-limits.ts';
import type { Host } from '../../host.ts';
import { inputBytes, inputName, inputPath } from '../../inputs.ts';
import { sharedOptions, sharedValues } from '../../options/model-options.ts';
import {
  type CliOption,
  type OptionValues,
  schemaOption,
  toCommander,
  typedValues,
} from '../../options/option.ts';
import { kebabName } from '../../options/other-names.ts';
import { typedCommand } from '../../options/read-options.ts';
import { wholeNumber } from '../../options/whole-number.ts';
import { type FineTuneCommand, fineTuneModel } from '../../run/fine-tuning.ts';
import { usageError } from '../../usage-error.ts';

/** It trains in float32, on pictures, and the result is a difference to the model's own weights: none may lie on them. */
const WITHOUT = [
  ...(['precision', 'adapter', 'lora'] as const),
  ...(['motion', 'motionNorm', 'contextFrames', 'contextStride'] as const),
];

const NOTES = `
Trains the keys of the cross-attention, a hundredth of the network, so that the
objects of a prompt stop covering each other in its attention (Separate) and the
weakest of them gets more (Enhance). No pictures are needed.

With a prompt, its objects are trained (individual): its nouns, or those of
--words. With --concepts, pairs of a list are (large scale), and a regulariser
keeps the model near to what it was. The list is a text with one concept per line:

  # animals
  cat
  polar bear
  red car = car       the concept, and the word of it whose attention is trained

The folder gets adapter.safetensors, which generate, refine and evaluate take with
--adapter; losses.csv and curves.svg; and with --sample-every pictures and attention
maps on the way, in samples.png. What was stopped or died goes on with
sgool resume <folder>, and ends with the same weights.

Defaults (individual / large scale):
${recipeLines()}

Reference: Bao et al. 2024, "Separate-and-Enhance".

Examples:
  sgool finetune separate-enhance "a photo of a cat and a boat"
  sgool finetune separate-enhance --concepts things.txt --steps 2000
  sgool generate "a cat and a boat" --adapter sgool-output/.../adapter.safetensors`;

function recipeLines(): string {
  const { individual, 'large-scale': large } = RECIPES;
  const shown = ['steps', 'batch', 'learningRate', 'separateWeight', 'enhanceWeight', 'normWeight'] as const;
  return shown
    .map(
      (key) =>
        `  --${kebabName(key)} ${individual[key]}${individual[key] === large[key] ? '' : ` / ${large[key]}`}`,
    )
    .join('\n');
}

const GROUP = 'Training:';

/** The options of the settings. Templates are given once for each. */
function settingOptions(): CliOption[] {
  return (Object.keys(fineTuneSettings) as FineTuneSettingKey[])
    .filter((key) => key !== 'width' && key !== 'height')
    .map((key) =>
      key === 'templates'
        ? {
            ...schemaOption(key, fineTuneSettings.singleTemplate, GROUP, {
              flag: 'template',
              argument: 'text',
            }),
            description: `${fineTuneSettings.templates.description}; may be given several times`,
            isList: true,
            keys: ['templates'],
            parse: (text: string) => ({ templates: [text] }),
          }
        : schemaOption(key, fineTuneSettings[key], GROUP),
    );
}

interface Flags extends OptionValues {
  readonly words?: string;
  readonly concepts?: string;
  readonly out?: string;
  readonly sampleEvery?: string;
  readonly samplePrompt?: readonly string[];
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export function configureSeparateEnhance(parent: Command, host: Host): void {
  const command = parent
    .command('separate-enhance')
    .description('make the objects of prompts stop covering each other in the cross-attention')
    .argument('[prompt]', 'prompt whose objects are trained');
  for (const option of sharedOptions(WITHOUT)) command.addOption(option);
  command
    .option(
      '--words <list>',
      'objects of the prompt as they stand in it, separated by commas (default: its nouns)',
    )
    .option('--concepts <file>', 'list of concepts whose pairs are trained; - for the standard input');
  const settings = settingOptions();
  for (const option of settings) for (const one of toCommander(option)) command.addOption(one);
  command
    .option('--sample-every <n>', 'draw pictures and attention maps before, after, and every n steps')
    .option(
      '--sample-prompt <text>',
      'prompt of these pictures, perhaps with the words of its maps behind a bar: "a cat and a boat | cat, boat"; may be given several times (default: the prompt, or the first two pairs of the list)',
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .option('--dry-run', 'say time and memory, and train nothing')
    .option('--out <folder>', 'folder for the results (default: sgool-output/<date>-finetune-...)')
    .option('--json', 'print one JSON object on stdout instead of the path')
    .option('-q, --quiet', 'show no progress')
    .addHelpText('after', NOTES)
    .action(async (prompt: string | undefined, flags: Flags) => {
      await fineTuneModel(await commandOf(prompt, flags, settings, typedCommand(command), host), host);
    });
}

async function commandOf(
  prompt: string | undefined,
  flags: Flags,
  settings: readonly CliOption[],
  typed: string,
  host: Host,
): Promise<FineTuneCommand> {
  const {
    words,
    concepts,
    out,
    sampleEvery,
    samplePrompt = [],
    dryRun = false,
    json = false,
    quiet = false,
  } = flags;
  if ((prompt === undefined) === (concepts === undefined)) {
    throw usageError(
      prompt === undefined
        ? 'finetune: needs a prompt of two objects or more, or a list of concepts with --concepts'
        : `--concepts: the prompts come from ${concepts}; leave out the prompt on the command line`,
    );
  }
  const every = wholeNumber('--sample-every', sampleEvery ?? '0', 0, MOST_STEPS);
  if (samplePrompt.length > 0 && every === 0) {
    throw usageError('--sample-prompt: no pictures are drawn; give --sample-every too, or leave it out');
  }
  const request: FineTuneRequest = {
    ...typedValues(flags, settings),
    ...(prompt === undefined ? {} : { prompt }),
    ...(words === undefined ? {} : { words: listOf(words) }),
    ...(concepts === undefined ? {} : { concepts: await readConcepts(concepts, host) }),
  };
  return {
    ...{ method: 'separate-enhance', request, sampleEvery: every, typed, dryRun, json, quiet },
    samplePrompts: samplePrompt.map((text) => {
      const [sample, own] = text.split('|').map((part) => part.trim());
      return { text: sample, ...(own === undefined ? {} : { words: listOf(own) }) };
    }),
    values: sharedValues(flags, host, WITHOUT),
    ...(out === undefined ? {} : { out: resolve(host.cwd, out) }),
  };
}

async function readConcepts(given: string, host: Host) {
  const path = inputPath(given, host);
  const bytes = await inputBytes('--concepts', path, SIZE_LIMITS.prompts, host);
  return parseConcepts(new TextDecoder().decode(bytes), inputName(path));
}

const listOf = (text: string) => text.split(',').map((word) => word.trim());
