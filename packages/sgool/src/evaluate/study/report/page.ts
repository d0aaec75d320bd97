/** @file The report of a study as one page that needs no other file. */
import { percent } from '../../table.ts';
import { escapeMarkup } from '../../text.ts';
import type { Study } from '../study.ts';
import {
  type Couple,
  type QuestionResults,
  type RaterResults,
  type Share,
  type StudyResults,
  verdict,
} from './results.ts';

/** A chart and what it shows. */
export interface Chart {
  /** Name of its files, without the ending. */
  readonly name: string;
  readonly svg: string;
}

const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1d1d1f; --quiet: #5c5c63; --line: #d2d2d7; --shade: #f4f4f5; }
@media (prefers-color-scheme: dark) { :root { --ground: #161618; --ink: #ececee; --quiet: #a5a5ad; --line: #45454c; --shade: #222226; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; } h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p, li { max-width: 46rem; } code { overflow-wrap: anywhere; }
.quiet { color: var(--quiet); } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .93rem; }
th, td { text-align: right; padding: .35rem .75rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { color: var(--quiet); font-weight: 600; }
tr.whole td { font-weight: 600; } tr.out td { color: var(--quiet); }
svg { width: 100%; min-width: 36rem; max-width: 760px; height: auto; display: block; margin: 1rem 0; }
@media print { main { max-width: none; } }
`;

type Row = { readonly cells: readonly string[]; readonly kind?: 'whole' | 'out' };

/** The first cell of a row may be HTML; all others are figures. */
function table(header: readonly string[], rows: readonly Row[]): string {
  const line = ({ cells, kind }: Row) =>
    `<tr${kind === undefined ? '' : ` class="${kind}"`}>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  return `<div class="scroll"><table><thead><tr>${header.map((title) => `<th scope="col">${title}</th>`).join('')}</tr></thead>
<tbody>${rows.map(line).join('\n')}</tbody></table></div>`;
}

const decimals = (value: number | undefined, digits = 2) =>
  value === undefined ? '–' : value.toFixed(digits);
const shareText = ({ share }: Share) => (share === undefined ? '–' : percent(share));
const intervalText = ({ interval }: Share) =>
  interval === undefined ? '–' : `${percent(interval.low)} to ${percent(interval.high)}`;

function shareRow(name: string, share: Share, kind?: Row['kind']): Row {
  const { wins, ties, losses, skips, prompts, raters } = share;
  const counts = [wins, ties, losses, skips, prompts, raters].map(String);
  return { cells: [escapeMarkup(name), shareText(share), intervalText(share), ...counts], kind };
}

function coupleSection(couple: Couple): string {
  const { method, against, all, categories, alpha } = couple;
  const header = [
    'category',
    `prefers ${escapeMarkup(method)}`,
    '95% interval',
    escapeMarkup(method),
    'no difference',
    escapeMarkup(against),
    'skipped',
    'prompts',
    'raters',
  ];
  const rows = [shareRow('all', all, 'whole'), ...categories.map((one) => shareRow(one.category ?? '', one))];
  return `<h3>${escapeMarkup(method)} and ${escapeMarkup(against)}</h3>
<p>${escapeMarkup(sentence(verdict(couple)))} Agreement of the raters (Krippendorff's alpha): ${decimals(alpha)}.</p>
${table(header, rows)}`;
}

/** As a sentence. Names of methods stay as they are. */
const sentence = (text: string) => `${text.replace(/^no/, 'No')}.`;

function strengthsTable({ strengths, tie }: QuestionResults, reference: string): string {
  const rows = strengths
    .toSorted((a, b) => b.strength - a.strength)
    .map(({ method, strength, interval, expected }) => ({
      cells: [
        escapeMarkup(method),
        decimals(strength),
        interval === undefined ? '–' : `${decimals(interval.low)} to ${decimals(interval.high)}`,
        method === reference ? '–' : percent(expected),
      ],
    }));
  return `<h3>Strengths</h3>
${table(['method', 'log strength', '95% interval', `preferred to ${escapeMarkup(reference)}`], rows)}
<p class="quiet">Davidson's model; ν = ${decimals(tie)}: equals are called equal with a chance of ${percent(tie / (2 + tie))}.</p>`;
}

function raterTable(raters: readonly RaterResults[]): string {
  const header = ['rater', 'answers', 'ties', 'skips', 'checks wrong', 'left side', 'median time', ''];
  const rows = raters.map(
    ({ rater, nick, answers, ties, skips, wrong, checks, left, seconds, isExcluded }): Row => ({
      cells: [
        `<code>${rater}</code>${nick === undefined ? '' : ` ${escapeMarkup(nick)}`}`,
        String(answers),
        String(ties),
        String(skips),
        `${wrong} of ${checks}`,
        left === undefined ? '–' : percent(left, 0),
        seconds === undefined ? '–' : `${decimals(seconds, 1)} s`,
        isExcluded ? 'left out' : '',
      ],
      kind: isExcluded ? 'out' : undefined,
    }),
  );
  return table(header, rows);
}

function withAndWithout({ kept, everyone }: StudyResults): string {
  if (everyone === undefined) return '';
  const rows = everyone.flatMap(({ text, couples }, i) =>
    couples.map((couple): Row => {
      const { method, against } = couple;
      const same = kept[i].couples.find((one) => one.method === method && one.against === against)?.all;
      return {
        cells: [
          `${escapeMarkup(text)} ${escapeMarkup(method)} and ${escapeMarkup(against)}`,
          same === undefined ? '–' : `${shareText(same)} (${intervalText(same)})`,
          `${shareText(couple.all)} (${intervalText(couple.all)})`,
        ],
      };
    }),
  );
  return `<h3>With and without the raters who failed the checks</h3>
${table(['question', 'without them', 'with them'], rows)}`;
}

/** The page. @param now when it is made */
export function reportPage(
  study: Study,
  results: StudyResults,
  charts: readonly Chart[],
  folder: string,
  now: Date,
): string {
  const { raters, kept, notes, left } = results;
  const out = raters.filter(({ isExcluded }) => isExcluded).length;
  const answers = raters.reduce((total, rater) => total + rater.answers, 0);
  const checks = study.pairs.filter(({ check }) => check !== undefined).length;
  const findings = kept.flatMap(({ text, couples }) =>
    couples.map(
      (couple) =>
        `<li><b>${escapeMarkup(text)}</b> ${escapeMarkup(sentence(verdict(couple)))} ${shareText(couple.all)} for ${escapeMarkup(couple.method)} (${intervalText(couple.all)}).</li>`,
    ),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>Study ${escapeMarkup(study.name)}: ${escapeMarkup(study.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Study ${escapeMarkup(study.name)}: ${escapeMarkup(study.methods.join(', '))}</h1>
<p>${raters.length} raters gave ${answers} answers about ${study.pairs.length - checks} pairs of pictures and ${checks} attention checks. ${out === 0 ? 'All raters count.' : `${out} of the raters failed the checks and are left out.`}</p>
<ul>
${findings.join('\n')}
</ul>
${notes.map((note) => `<p class="quiet">${escapeMarkup(note)}.</p>`).join('\n')}
${charts.map(({ svg }) => `<div class="scroll">${svg}</div>`).join('\n')}
${kept
  .map(
    (question) => `<section>
<h2>${escapeMarkup(question.text)}</h2>
${question.couples.map(coupleSection).join('\n')}
${question.couples.length === 0 ? '<p>No answers of raters who count.</p>' : strengthsTable(question, study.reference)}
</section>`,
  )
  .join('\n')}
<section>
<h2>Raters</h2>
<p>A rater is left out who answers more than ${percent(study.rule.wrongShare, 0)} of the attention checks wrongly, and at least ${study.rule.least} of them; "no difference" is wrong there, a skip is no answer.
The rule was fixed when the study was made. ${left === undefined ? '' : `The left picture was chosen in ${percent(left)} of all choices.`}</p>
${raterTable(raters)}
${withAndWithout(results)}
</section>
<section>
<h2>How to read this</h2>
<ul>
<li>Share: how often the method was preferred, with "no difference" as one half. Skipped pairs are left out and counted.</li>
<li>Interval: 95% bootstrap over raters and prompts at once (Owen 2007). It holds for other raters and other prompts of this kind, and is rather too wide than too narrow: never narrower than Wilson's interval for independent answers.
With one rater or one prompt it cannot say how others differ.</li>
<li>Strengths: Bradley and Terry's model with ties (Davidson 1970), with a wide prior so that a method that always wins has one too. Their intervals are from the same bootstrap.</li>
<li>Agreement: Krippendorff's alpha over the pairs, with the answers as names: 1 is full agreement, 0 is chance.</li>
<li>Several comparisons are shown, and no interval is corrected for that.</li>
<li>Sides and order were drawn for each rater; each method was on the left in half of a rater's pairs. The question of quality was asked before the text was shown.</li>
</ul>
</section>
<section>
<h2>To make it again</h2>
<p>Evaluation: <code>${escapeMarkup(study.evaluation.command)}</code>, model ${escapeMarkup(study.evaluation.model)}, ${escapeMarkup(study.evaluation.created)}.<br>
Study: made ${escapeMarkup(study.created)}, seed ${study.seed}, pictures <code>${study.pictures}</code>.<br>
Report: <code>sgool study report ${escapeMarkup(folder)}</code>, ${now.toISOString()}. All votes are in votes.jsonl, all figures in report.json and shares.csv.</p>
</section>
</main>
</body>
</html>
`;
}
