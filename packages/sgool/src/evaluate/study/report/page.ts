/** @file The report of a study as one page that needs no other file. */
import { html, Markup, table } from '../../report/html.ts';
import { percent } from '../../table.ts';
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
caption { text-align: left; color: var(--quiet); padding: .35rem 0; }
th, td { text-align: left; padding: .35rem .75rem; border-bottom: 1px solid var(--line); white-space: nowrap; font-weight: 400; }
th:first-child { padding-left: 0; } .n { text-align: right; }
thead th { color: var(--quiet); font-weight: 600; }
tr.whole > * { font-weight: 600; } tr.out > * { color: var(--quiet); }
svg { width: 100%; min-width: 36rem; max-width: 760px; height: auto; display: block; margin: 1rem 0; }
@media print { main { max-width: none; } }
`;

const decimals = (value: number | undefined, digits = 2) =>
  value === undefined ? '–' : value.toFixed(digits);
const shareText = ({ share }: Share) => (share === undefined ? '–' : percent(share));
const intervalText = ({ interval }: Share) =>
  interval === undefined ? '–' : `${percent(interval.low)} to ${percent(interval.high)}`;

function coupleSection(couple: Couple): Markup {
  const { method, against, all, categories, alpha } = couple;
  const rows = [
    { name: 'all', ...all, isWhole: true },
    ...categories.map((one) => ({ name: one.category ?? '', ...one, isWhole: false })),
  ];
  return html`<h3>${method} and ${against}</h3>
<p>${sentence(verdict(couple))} Agreement of the raters (Krippendorff's alpha): ${decimals(alpha)}.</p>
${table<(typeof rows)[number]>(
  `${method} and ${against}, by category`,
  [
    { title: 'category', cell: ({ name }) => name },
    { title: `prefers ${method}`, isNumber: true, cell: shareText },
    { title: '95% interval', isNumber: true, cell: intervalText },
    { title: method, isNumber: true, cell: ({ wins }) => wins },
    { title: 'no difference', isNumber: true, cell: ({ ties }) => ties },
    { title: against, isNumber: true, cell: ({ losses }) => losses },
    { title: 'skipped', isNumber: true, cell: ({ skips }) => skips },
    { title: 'prompts', isNumber: true, cell: ({ prompts }) => prompts },
    { title: 'raters', isNumber: true, cell: ({ raters }) => raters },
  ],
  rows,
  ({ isWhole }) => (isWhole ? 'whole' : undefined),
)}`;
}

/** As a sentence. Names of methods stay as they are. */
const sentence = (text: string) => `${text.replace(/^no/, 'No')}.`;

function strengthsTable({ strengths, tie }: QuestionResults, reference: string): Markup {
  return html`<h3>Strengths</h3>
${table(
  'Strengths of the methods',
  [
    { title: 'method', cell: ({ method }) => method },
    { title: 'log strength', isNumber: true, cell: ({ strength }) => decimals(strength) },
    {
      title: '95% interval',
      isNumber: true,
      cell: ({ interval }) =>
        interval === undefined ? '–' : `${decimals(interval.low)} to ${decimals(interval.high)}`,
    },
    {
      title: `preferred to ${reference}`,
      isNumber: true,
      cell: ({ method, expected }) => (method === reference ? '–' : percent(expected)),
    },
  ],
  strengths.toSorted((a, b) => b.strength - a.strength),
)}
<p class="quiet">Davidson's model; ν = ${decimals(tie)}: equals are called equal with a chance of ${percent(tie / (2 + tie))}.</p>`;
}

function raterTable(raters: readonly RaterResults[]): Markup {
  return table(
    'Raters',
    [
      {
        title: 'rater',
        cell: ({ rater, nick }) => html`<code>${rater}</code>${nick !== undefined && ` ${nick}`}`,
      },
      { title: 'answers', isNumber: true, cell: ({ answers }) => answers },
      { title: 'ties', isNumber: true, cell: ({ ties }) => ties },
      { title: 'skips', isNumber: true, cell: ({ skips }) => skips },
      { title: 'checks wrong', isNumber: true, cell: ({ wrong, checks }) => `${wrong} of ${checks}` },
      {
        title: 'left side',
        isNumber: true,
        cell: ({ left }) => (left === undefined ? '–' : percent(left, 0)),
      },
      {
        title: 'median time',
        isNumber: true,
        cell: ({ seconds }) => (seconds === undefined ? '–' : `${decimals(seconds, 1)} s`),
      },
      { title: '', cell: ({ isExcluded }) => isExcluded && 'left out' },
    ],
    raters,
    ({ isExcluded }) => (isExcluded ? 'out' : undefined),
  );
}

function withAndWithout({ kept, everyone }: StudyResults): Markup | undefined {
  if (everyone === undefined) return undefined;
  const textOf = (share: Share | undefined) =>
    share === undefined ? '–' : `${shareText(share)} (${intervalText(share)})`;
  const rows = everyone.flatMap(({ text, couples }, i) =>
    couples.map(({ method, against, all }) => ({
      question: `${text} ${method} and ${against}`,
      without: kept[i].couples.find((one) => one.method === method && one.against === against)?.all,
      all,
    })),
  );
  return html`<h3>With and without the raters who failed the checks</h3>
${table(
  'Shares with and without the raters who failed the checks',
  [
    { title: 'question', cell: ({ question }) => question },
    { title: 'without them', isNumber: true, cell: ({ without }) => textOf(without) },
    { title: 'with them', isNumber: true, cell: ({ all }) => textOf(all) },
  ],
  rows,
)}`;
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
        html`<li><b>${text}</b> ${sentence(verdict(couple))} ${shareText(couple.all)} for ${couple.method} (${intervalText(couple.all)}).</li>\n`,
    ),
  );
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>Study ${study.name}: ${study.title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
<h1>Study ${study.name}: ${study.methods.join(', ')}</h1>
<p>${raters.length} raters gave ${answers} answers about ${study.pairs.length - checks} pairs of pictures and ${checks} attention checks. ${out === 0 ? 'All raters count.' : `${out} of the raters failed the checks and are left out.`}</p>
<ul>
${findings}
</ul>
${notes.map((note) => html`<p class="quiet">${note}.</p>\n`)}
${charts.map(({ svg }) => html`<div class="scroll">${new Markup(svg)}</div>\n`)}
${kept.map(
  (question) => html`<section>
<h2>${question.text}</h2>
${question.couples.map(coupleSection)}
${question.couples.length === 0 ? html`<p>No answers of raters who count.</p>` : strengthsTable(question, study.reference)}
</section>\n`,
)}
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
<p>Evaluation: <code>${study.evaluation.command}</code>, model ${study.evaluation.model}, ${study.evaluation.created}.<br>
Study: made ${study.created}, seed ${study.seed}, pictures <code>${study.pictures}</code>.<br>
Report: <code>sgool study report ${folder}</code>, ${now.toISOString()}. All votes are in votes.jsonl, all figures in report.json and shares.csv.</p>
</section>
</main>
</body>
</html>
`.text;
}
