/**
 * @file `npm run evaluate:marks`: whether scores see what the eye sees. It writes a page with pictures of an evaluation, which
 * somebody marks without knowing which method made them; with the file that the page saves, it prints how each score agrees.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { UserError } from 'sgool';
import { markdownTable } from 'sgool/evaluate';
import { readEvaluation, writeFileAtomic } from 'sgool/node';
import { type Figure, markAgreement, scoredMarks } from './marks/agreement.ts';
import { chosenPictures } from './marks/choose.ts';
import { type Marks, sheetPage } from './marks/sheet.ts';
import { runProgram, wholeNumber } from './program.ts';

const HELP = `Usage: npm run evaluate:marks -- --from <evaluation> [options]

  --from <folder>   an evaluation of prompts with their truth
  --count <n>       pictures on the sheet (150)
  --seed <n>        of the choice of pictures and their order (0)
  --out <file>      the sheet (marks.html)
  --marks <file>    what the sheet has saved: prints the agreement of each score, with the same --count and --seed
  --marker <text>   who marked: a person, or what else (with --record)
  --record <file>   keeps pictures, marks, scores and agreement as JSON (with --marks and --marker)
`;

await runProgram('evaluate:marks', async () => {
  const { values } = parseArgs({
    options: {
      from: { type: 'string' },
      count: { type: 'string', default: '150' },
      seed: { type: 'string', default: '0' },
      out: { type: 'string', default: 'marks.html' },
      marks: { type: 'string' },
      marker: { type: 'string' },
      record: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help || values.from === undefined) {
    process.stdout.write(HELP);
    return;
  }
  const [count, seed] = [wholeNumber('--count', values.count, 1), wholeNumber('--seed', values.seed, 0)];
  if (values.record !== undefined && (values.marks === undefined || !values.marker)) {
    throw new UserError('--record: needs --marks and --marker', { exitCode: 2 });
  }
  if (values.marker !== undefined && values.record === undefined) {
    throw new UserError('--marker: is written by --record; give both or none', { exitCode: 2 });
  }
  const folder = path.resolve(values.from);
  const evaluation = await readEvaluation(folder);
  const pictures = chosenPictures(evaluation, count, seed);
  if (pictures.length === 0)
    throw new UserError(`--from: ${folder} has no finished picture of a prompt with one truth`);
  // Names the choice and says nothing of it.
  const sheet = `${evaluation.manifest.created} ${count} ${seed}`;
  if (values.marks === undefined) {
    const withFiles = [];
    for (const picture of pictures) {
      const file = path.join(folder, 'cells', picture.cell.slice(0, 2), `${picture.cell}.png`);
      const bytes = await readFile(file);
      withFiles.push({ ...picture, uri: `data:image/png;base64,${bytes.toString('base64')}` });
    }
    await writeFileAtomic(path.resolve(values.out), sheetPage(sheet, withFiles));
    process.stdout.write(`${values.out}\n`);
    return;
  }
  const marks = readMarks(await readFile(values.marks, 'utf8'), values.marks);
  if (marks.sheet !== sheet) {
    throw new UserError(
      `--marks: ${values.marks} is of another sheet (${marks.sheet}); give the --from, --count and --seed of that one`,
      { exitCode: 2 },
    );
  }
  const records = new Map(
    evaluation.cells.flatMap(({ id, record }) => (record?.status === 'done' ? [[id, record] as const] : [])),
  );
  const marked = scoredMarks(pictures, marks, records);
  const agreement = markAgreement(marked);
  const rows = agreement.map(({ score, pictures: count, r, rightAbove, same, kappa }) => [
    score,
    String(count),
    ...[r, rightAbove, same, kappa].map(shown),
  ]);
  process.stdout.write(
    `${markdownTable(['score', 'pictures', 'correlation', 'right above wrong', 'same', 'kappa'], rows)}\n`,
  );
  if (values.record === undefined) return;
  const { command, created, model } = evaluation.manifest;
  const record = {
    marker: values.marker,
    // Where it was written says nothing to others.
    evaluation: { command: command.replace(/ --out \S+/, ''), created, model },
    sheet,
    agreement,
    pictures: marked,
  };
  await writeFileAtomic(path.resolve(values.record), `${JSON.stringify(record, undefined, 1)}\n`);
});

/** `0.812 (0.700 to 0.900)`. */
function shown(figure: Figure | undefined): string {
  if (figure === undefined) return '-';
  const { value, interval } = figure;
  return value.toFixed(3) + (interval ? ` (${interval.low.toFixed(3)} to ${interval.high.toFixed(3)})` : '');
}

/** @throws UserError where it is no such file */
function readMarks(text: string, name: string): Marks {
  try {
    const { sheet, marks } = JSON.parse(text) as Partial<Marks>;
    if (typeof sheet === 'string' && typeof marks === 'object' && Object.values(marks).every(Array.isArray)) {
      return { sheet, marks };
    }
  } catch {
    // The same line for what is no JSON at all.
  }
  throw new UserError(`--marks: ${name} is not a file that the sheet has saved`);
}
