/** @file `sgool study report <study>`: what the votes say. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { verdict } from '../../../evaluate/study/report/results.ts';
import { readStudy, STUDY_FILES } from '../../../evaluate/study/study.ts';
import { percent } from '../../../evaluate/table.ts';
import type { Host } from '../../host.ts';
import { formatTable, shownPath } from '../../terminal/format.ts';

const NOTES = `
Shares count "no difference" as one half; skipped pairs are left out. Intervals are
95% bootstrap intervals over raters and prompts at once. Strengths are Bradley and
Terry's with ties (Davidson). The folder has index.html, the charts as SVG and PNG,
shares.csv, raters.csv, report.json and votes.jsonl. A report may be made while
the study still runs. To remove a rater's answers, delete votes/<code>.jsonl.`;

interface ReportFlags {
  readonly out?: string;
  readonly json?: boolean;
}

export function configureReport(parent: Command, host: Host): void {
  parent
    .command('report')
    .description('show what the votes of a study say, with intervals')
    .argument('<study>', 'folder of the study')
    .option('--out <folder>', 'folder for the report (default: report in the folder of the study)')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action((folder: string, flags: ReportFlags) => report(resolve(host.cwd, folder), flags, host));
}

async function report(folder: string, { out, json = false }: ReportFlags, host: Host): Promise<void> {
  const study = await readStudy(folder);
  const place = out === undefined ? join(folder, STUDY_FILES.report) : resolve(host.cwd, out);
  const { writeStudyReport } = await import('../../../evaluate/study/report/write-report.ts');
  const { page, results } = await writeStudyReport(folder, study, place, {
    now: host.now(),
    shown: shownPath(folder, host),
  });
  if (json) {
    host.stdout.write(`${JSON.stringify({ page, ...results })}\n`);
    return;
  }
  const rows = results.kept.flatMap(({ text, couples }) =>
    couples.map((couple) => {
      const { method, against, all } = couple;
      const { share, interval, wins, ties, losses } = all;
      return [
        text,
        `${method} over ${against}`,
        share === undefined ? 'no answers' : percent(share),
        interval === undefined ? '' : `${percent(interval.low)} to ${percent(interval.high)}`,
        `${wins + ties + losses} answers`,
        verdict(couple),
      ];
    }),
  );
  const answered = results.raters.filter(({ answers }) => answers > 0).length;
  const excluded = results.raters.filter(({ isExcluded }) => isExcluded).length;
  const left = excluded === 0 ? '' : `, ${excluded} left out who failed the checks`;
  if (rows.length > 0) host.stderr.write(`${formatTable(rows)}\nsgool: ${answered} raters${left}\n`);
  else if (excluded > 0)
    host.stderr.write(
      `sgool: no answers are left: ${answered} raters${left}; the page has the figures with them\n`,
    );
  else host.stderr.write(`sgool: ${folder}: nobody has compared two pictures yet\n`);
  host.stdout.write(`${shownPath(page, host)}\n`);
}
