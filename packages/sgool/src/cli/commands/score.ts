/** @file `sgool score <image> <prompt>`: CLIP scores, and scores of preference models. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { readImage } from '../../image/read-image.ts';
import { SCORER_NAMES, SCORERS, type ScorerName } from '../../preference/scorer-names.ts';
import { hasSyntax, parsePrompt } from '../../text/prompt/prompt.ts';
import { USAGE_ERROR } from '../exit-codes.ts';
import type { Host } from '../host.ts';
import { loadOptionsOf, type SharedValues, sharedOptions, sharedValues } from '../options/model-options.ts';
import type { OptionValues } from '../options/option.ts';
import { checkPrompt, tooLong } from '../options/prompt.ts';
import { didYouMean } from '../options/suggest.ts';
import { formatTable } from '../terminal/format.ts';

interface ScoreFlags extends OptionValues {
  readonly scorer?: readonly Wanted[];
  readonly json?: boolean;
}

const SHARED = ['clip', 'tokenizer', 'model', 'device', 'precision'] as const;

/** A scorer, and perhaps its weights. */
interface Wanted {
  readonly name: 'clip' | ScorerName;
  readonly weights?: string;
}

const NAMES = ['clip', ...SCORER_NAMES] as const;

const NOTES = `
  clip          100 times the cosine of image and prompt, by the CLIPs of the model: A guides, B only reports
${SCORER_NAMES.map((name) => `  ${name.padEnd(12)}  ${SCORERS[name].scale}`).join('\n')}

Higher is better for every scorer. Compare only scores of the same scorer for
the same prompt. The weights of preference models are those that were added
(sgool models add) or pulled (sgool models pull), or those of <name>=<file>.
Their vocabularies are searched for beside the weights, unless --tokenizer gives
one.

Examples:
  sgool score image.png "a red cat to the left of a blue boat"
  sgool score image.png "a red cat" --scorer hps-v2.1,pickscore,image-reward
  sgool score image.png "a red cat" --scorer hps-v2=HPS_v2_compressed.pt --json`;

export function configure(command: Command, host: Host): void {
  command.argument('<image>', 'image file: PNG, JPEG, WebP ...').argument('<prompt>', 'what it should show');
  for (const option of sharedOptions(SHARED)) command.addOption(option);
  command
    .option(
      '--scorer <names>',
      `scorers, separated by commas: ${NAMES.join(', ')} (default: clip)`,
      (text: string, before: readonly Wanted[] = []) => [...before, ...parseScorers(text)],
    )
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action((image: string, prompt: string, flags: ScoreFlags) => score(image, prompt, flags, host));
}

/** `name` or `name=file`, several with commas. */
function parseScorers(text: string): Wanted[] {
  return text.split(',').map((item) => {
    const [, name, weights] = /^\s*([^=]*?)\s*(?:=\s*(.+?)\s*)?$/.exec(item) ?? [];
    const known = NAMES.find((one) => one === name);
    if (known === undefined || (known === 'clip' && weights !== undefined)) {
      const right =
        known === undefined
          ? `choose from ${NAMES.join(', ')}${didYouMean(name ?? '', NAMES)}`
          : 'give another CLIP with --clip';
      throw new UserError(`--scorer: not usable, got ${item || 'nothing'}; ${right}`, {
        exitCode: USAGE_ERROR,
      });
    }
    return { name: known, weights };
  });
}

/** The text of a prompt without weights and tags, as `generate` gives it to its critics. */
function scoredText(prompt: string, { stderr }: Host): string {
  const parsed = parsePrompt(prompt, 'a1111', 1);
  if (!hasSyntax(parsed) && parsed.networks.length === 0) return prompt;
  stderr.write(`sgool: scored is the text without weights and tags: ${parsed.text}\n`);
  return parsed.text;
}

async function score(path: string, written: string, flags: ScoreFlags, host: Host) {
  const { scorer: wanted = [{ name: 'clip' }], json = false } = flags;
  checkPrompt(written);
  const prompt = scoredText(written, host);
  const options = sharedValues(flags, SHARED, host);
  const image = await readImage(resolve(host.cwd, path));
  const asked = wanted.some(({ name }) => name === 'clip');
  const clip = asked ? await clipScores(image, prompt, options, host) : undefined;
  const scores: Partial<Record<ScorerName, number>> = {};
  let truncated = clip?.truncated ?? false;
  // One after the other, so that one network at a time is in memory.
  for (const { name, weights } of wanted) {
    if (name === 'clip') continue;
    const result = await preferenceScore(name, weights, image, prompt, options, host);
    scores[name] = result.score;
    truncated ||= result.truncated;
  }
  if (json) {
    const result = {
      image: resolve(host.cwd, path),
      prompt: written,
      ...(clip === undefined ? {} : { model: options.model }),
      truncated,
      ...(clip === undefined ? {} : { clip: clip.scores }),
      ...(Object.keys(scores).length === 0 ? {} : { scores }),
    };
    host.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  const rows = [
    ...(['A', 'B'] as const).flatMap((name) => {
      const value = clip?.scores[name];
      return value === undefined ? [] : [[`CLIP ${name}`, value.toFixed(2)]];
    }),
    ...SCORER_NAMES.flatMap((name) => {
      const value = scores[name];
      return value === undefined ? [] : [[name, value.toFixed(SCORERS[name].digits)]];
    }),
  ];
  host.stdout.write(`${formatTable(rows)}\n`);
}

async function clipScores(image: Image, prompt: string, values: SharedValues, host: Host) {
  const { model } = values;
  const engine = await host.loadEngine();
  const pipeline = await engine.openPipeline(model, loadOptionsOf(values));
  try {
    const { truncated, tokens, lost } = pipeline.checkPrompt(prompt, { promptSyntax: 'plain' });
    if (truncated) warnOfCut(model, tokens.length, lost, host);
    const scores = await pipeline.score(image, prompt);
    if (scores.A === undefined && scores.B === undefined)
      throw new UserError(`model: ${model} has no CLIP to score with; choose another one`);
    return { scores, truncated };
  } finally {
    await pipeline.dispose();
  }
}

async function preferenceScore(
  name: ScorerName,
  weights: string | undefined,
  image: Image,
  prompt: string,
  { device, precision, tokenizer }: SharedValues,
  host: Host,
) {
  const { chooseCompute } = await host.loadEngine();
  const { loadScorer } = await import('../../preference/load-scorer.ts');
  const scorer = await loadScorer(name, {
    ...(await chooseCompute({ device, precision })),
    env: host.env,
    ...(weights === undefined ? {} : { weights: resolve(host.cwd, weights) }),
    ...(tokenizer === undefined ? {} : { tokenizer }),
  });
  try {
    const { truncated, kept, lost } = scorer.fit(prompt);
    if (truncated) warnOfCut(name, kept, lost, host);
    return { score: await scorer.score(image, prompt), truncated };
  } finally {
    await scorer.dispose();
  }
}

function warnOfCut(who: string, kept: number, lost: number, { stderr }: Host): void {
  stderr.write(`sgool: warning: ${tooLong('prompt', who, kept, lost)}\n`);
}
