/** @file `sgool study create <evaluation>`: a blinded study of pairs of an evaluation's images. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { readEvaluation } from '../../../evaluate/cells/run-folder.ts';
import { createStudy, PAIRINGS, type Pairing } from '../../../evaluate/study/create-study.ts';
import { QUESTIONS, type Question } from '../../../evaluate/study/study.ts';
import type { Host } from '../../host.ts';
import { wholeNumber } from '../../options/whole-number.ts';
import { shownPath } from '../../terminal/format.ts';
import { usageError } from '../../usage-error.ts';

const NOTES = `
Pairs are shared out evenly over the couples of methods and the categories of the
prompts. Two images that are the same file are no pair; their number is kept.
Every rater sees the pairs in an order and on sides of their own. Attention
checks show an image against a mosaic of itself, or against the image of another
prompt. Raters who get more than a third of them wrong, two at least, are left
out of the report, which also shows the figures with them.

The first question is asked without the text, so that the text does not decide.
A question of your own shows the text; add " (without text)" to hide it:
  --question "hands: Which picture has the better hands? (without text)"`;

interface CreateFlags {
  readonly name: string;
  readonly title: string;
  readonly methods?: string;
  readonly pairing: Pairing;
  readonly pairs?: string;
  readonly perRater?: string;
  readonly checks?: string;
  readonly question?: readonly Question[];
  readonly seed: string;
  readonly json?: boolean;
}

export function configureCreate(parent: Command, host: Host): void {
  parent
    .command('create')
    .description('make a study of the images of an evaluation')
    .argument('<evaluation>', 'folder of the evaluation')
    .option('--name <name>', 'name of the study, a folder in <evaluation>/study', 'default')
    .option('--title <text>', 'what raters see as the heading', 'Which picture do you prefer?')
    .option('--methods <labels>', 'methods to compare, separated by commas (default: all of the evaluation)')
    .addOption(
      new Option('--pairing <which>', 'every two methods, or each against the reference')
        .choices(PAIRINGS)
        .default('all'),
    )
    .option('--pairs <n>', 'most pairs in the study, without the checks (default: 40)')
    .option('--per-rater <n>', 'pairs that each rater sees (default: all)')
    .option('--checks <n>', 'attention checks (default: one for eight pairs, two at least)')
    .option(
      '--question <text>',
      `"id: text": ask this instead of the two questions (${QUESTIONS.map(({ id }) => id).join(', ')} alone keep theirs)`,
      (text: string, before: readonly Question[] = []) => [...before, questionOf(text)],
    )
    .option('--seed <n>', 'decides which pairs are shown', '0')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action((folder: string, flags: CreateFlags) => create(resolve(host.cwd, folder), flags, host));
}

async function create(folder: string, flags: CreateFlags, host: Host): Promise<void> {
  const { name, methods, question: questions } = flags;
  if (!/^[\w][\w.-]{0,63}$/.test(name))
    throw usageError(`--name: not usable, got ${name || 'nothing'}; use letters, digits, dots, dashes and _`);
  const title = flags.title.trim();
  if (title === '' || title.length > 120)
    throw usageError(`--title: must have from 1 to 120 characters, got ${title.length}`);
  const ids = (questions ?? []).map(({ id }) => id);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) throw usageError(`--question: ${twice} is there twice; give each its own id`);
  const perRater =
    flags.perRater === undefined ? undefined : wholeNumber('--per-rater', flags.perRater, 1, 10_000);
  const checks = flags.checks === undefined ? undefined : wholeNumber('--checks', flags.checks, 0, 100);
  const made = await createStudy(await readEvaluation(folder), {
    name,
    title,
    methods: methods?.split(',').map((label) => label.trim()),
    pairing: flags.pairing,
    pairs: flags.pairs === undefined ? undefined : wholeNumber('--pairs', flags.pairs, 1, 10_000),
    perRater,
    checks,
    questions,
    seed: wholeNumber('--seed', flags.seed, 0, Number.MAX_SAFE_INTEGER),
    now: host.now(),
  });
  const { study } = made;
  const isCheck = ({ check }: (typeof study.pairs)[number]) => check !== undefined;
  const counts = {
    pairs: study.pairs.filter((pair) => !isCheck(pair)).length,
    checks: study.pairs.filter(isCheck).length,
  };
  for (const note of made.notes) host.stderr.write(`sgool: ${note}\n`);
  if (flags.json) {
    const { methods: compared, perRater: each, questions: asked } = study;
    host.stdout.write(
      `${JSON.stringify({ folder: made.folder, methods: compared, ...counts, perRater: each, questions: asked, notes: made.notes })}\n`,
    );
    return;
  }
  host.stderr.write(
    `sgool: ${counts.pairs} pairs of ${study.methods.join(', ')} and ${counts.checks} checks; open it with: sgool study serve ${shownPath(made.folder, host)}\n`,
  );
  host.stdout.write(`${shownPath(made.folder, host)}\n`);
}

const WITHOUT_TEXT = ' (without text)';

/** `id: text`, or the id of a question that is known. @throws UserError where it is neither */
function questionOf(given: string): Question {
  const known = QUESTIONS.find(({ id }) => id === given.trim());
  if (known !== undefined) return known;
  const [, id, text] = /^\s*([a-z][a-z0-9-]{0,31})\s*:\s*(\S.{0,199})$/.exec(given) ?? [];
  if (id === undefined)
    throw usageError(
      `--question: not usable, got ${given || 'nothing'}; write "id: text", the id in small letters and the text up to 200 characters, or ${QUESTIONS.map((one) => one.id).join(' or ')}`,
    );
  const showsText = !text.endsWith(WITHOUT_TEXT);
  return { id, text: showsText ? text.trim() : text.slice(0, -WITHOUT_TEXT.length).trim(), showsText };
}
