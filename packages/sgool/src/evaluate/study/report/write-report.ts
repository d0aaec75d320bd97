/** @file Writing the report of a study: page, charts, tables, figures, and the raw votes. */
import { join } from 'node:path';
import sharp from 'sharp';
import { writeFileAtomic } from '../../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../../weights/sources/make-folders.ts';
import { type CsvValue, csvText } from '../../csv-text.ts';
import { exportLines } from '../export-votes.ts';
import type { Study } from '../study.ts';
import { VoteFiles } from '../votes.ts';
import { type Chart, reportPage } from './page.ts';
import { type QuestionResults, type ResultOptions, type StudyResults, studyResults } from './results.ts';
import { onWhite, sharesChart } from './shares-chart.ts';

/** Version of `report.json`. */
const REPORT_FORMAT = 1;
/** Dots per inch of the PNG files: twice what a screen has. */
const DENSITY = 192;

export interface WrittenReport {
  /** Path of the page. */
  readonly page: string;
  readonly results: StudyResults;
}

/**
 * Writes `index.html`, `report.json`, `shares.csv`, `raters.csv`, `votes.jsonl`, and each chart as SVG and PNG.
 *
 * @param folder of the study
 * @param out folder for the files
 * @throws UserError where the file system refuses
 */
export async function writeStudyReport(
  folder: string,
  study: Study,
  out: string,
  { now, shown, ...options }: ResultOptions & { readonly now: Date; readonly shown: string },
): Promise<WrittenReport> {
  const results = studyResults(study, await new VoteFiles(folder, study).all(), options);
  await makeFolders(out);
  const charts = chartsOf(results.kept);
  for (const { name, svg } of charts) {
    const drawing = onWhite(svg);
    await writeFileAtomic(join(out, `${name}.svg`), `${drawing}\n`);
    await writeFileAtomic(
      join(out, `${name}.png`),
      await sharp(Buffer.from(drawing), { density: DENSITY }).png({ palette: true }).toBuffer(),
    );
  }
  const { id, name, methods, reference, questions } = study;
  const figures = { format: REPORT_FORMAT, study: { id, name, methods, reference, questions }, ...results };
  await writeFileAtomic(join(out, 'report.json'), `${JSON.stringify(figures, undefined, 1)}\n`);
  await writeFileAtomic(join(out, 'shares.csv'), sharesCsv(results));
  await writeFileAtomic(join(out, 'raters.csv'), ratersCsv(results));
  const lines = (await exportLines(folder, study)).map((line) => `${JSON.stringify(line)}\n`);
  await writeFileAtomic(join(out, 'votes.jsonl'), lines.join(''));
  const page = join(out, 'index.html');
  // Last: where there is a page, everything that it names is there.
  await writeFileAtomic(page, reportPage(study, results, charts, shown, now));
  return { page, results };
}

/** One chart for each couple of methods. */
function chartsOf(questions: readonly QuestionResults[]): Chart[] {
  const couples = new Map(
    questions
      .flatMap((question) => question.couples)
      .filter(({ all }) => all.share !== undefined)
      .map((couple) => [JSON.stringify([couple.method, couple.against]), couple]),
  );
  return [...couples.values()].map(({ method, against }, i) => ({
    name: `shares-${i + 1}-${fileName(method)}-${fileName(against)}`,
    svg: sharesChart(method, against, questions),
  }));
}

const fileName = (label: string) =>
  label
    .replace(/[^\w-]+/g, '-')
    .slice(0, 40)
    .toLowerCase();

function sharesCsv({ kept, everyone }: StudyResults): string {
  const header =
    'raters,question,category,method,against,wins,ties,losses,skips,prompts,answered_by,share,low,high';
  const rowsOf = (who: string, questions: readonly QuestionResults[]) =>
    questions.flatMap(({ id, couples }) =>
      couples.flatMap(({ method, against, all, categories }) =>
        [all, ...categories].map(
          ({ category, wins, ties, losses, skips, prompts, raters, share, interval }): CsvValue[] => [
            who,
            id,
            category,
            method,
            against,
            wins,
            ties,
            losses,
            skips,
            prompts,
            raters,
            share,
            interval?.low,
            interval?.high,
          ],
        ),
      ),
    );
  return csvText(header.split(','), [...rowsOf('kept', kept), ...rowsOf('everyone', everyone ?? [])]);
}

function ratersCsv({ raters }: StudyResults): string {
  const header = 'rater,nick,answers,ties,skips,checks,wrong,excluded,left,seconds';
  return csvText(
    header.split(','),
    raters.map(
      ({ rater, nick, answers, ties, skips, checks, wrong, isExcluded, left, seconds }): CsvValue[] => [
        rater,
        nick,
        answers,
        ties,
        skips,
        checks,
        wrong,
        isExcluded ? 1 : 0,
        left,
        seconds,
      ],
    ),
  );
}
