/** @file Sections of the page: the answer, what was compared, means, comparisons. */
import type { ScoreRole } from '../../cells/manifest.ts';
import type { Figure } from '../figures/compose.ts';
import { intervalText, neededText, pText, quantity, signedQuantity } from '../format.ts';
import { type Column, type Content, html, Markup, table } from '../html.ts';
import type { BestRow, ComparisonRow, Summary } from '../summary.ts';

type Score = Summary['scores'][number];

/** What a role is called beside a value. Nothing for a score that judges. */
export const ROLE_TAG: Readonly<Record<ScoreRole, string>> = {
  guides: 'guided by it',
  selects: 'selected by it',
  judges: '',
};

/** What was compared, and the answer. */
export function answerSection(summary: Summary, suites: readonly string[]): Markup {
  const { methods, reference, model, prompts, seeds, cells, judges, scores, warnings } = summary;
  const judge = scores.find(({ name }) => name === judges[0]);
  const plural = (count: number, what: string) => `${quantity(count, 0)} ${what}${count === 1 ? '' : 's'}`;
  return html`<h2 id="answer">The answer</h2>
<p>Compared: ${methods.map(({ label }, i) => html`${i > 0 && ', '}<b>${label}</b>`)}, each on ${plural(prompts, 'prompt')} of ${suites.join(', ')} with ${plural(seeds, 'seed')}, on the model ${model.name}. ${quantity(cells.done, 0)} of ${plural(cells.total, 'image')} are there${cells.failed > 0 && `, ${quantity(cells.failed, 0)} failed`}. The others are compared with <b>${reference}</b>, pair by pair of prompt and seed.${judge && html` <b>${judge.title}</b> decides: it guided and selected no method.`}</p>
<div class="answer">${summary.verdict.map((sentence) => html`<p>${sentence}</p>\n`)}</div>
${warnings.length > 0 && html`<h3>To bear in mind</h3>\n<ul>${warnings.map((line) => html`<li>${line}</li>\n`)}</ul>`}
`;
}

/** Scores x methods, one table for each suite, and one for all. */
export function meansSection(summary: Summary): Markup {
  const places = placesOf(summary);
  return html`<h2 id="summary">Summary</h2>
<p>Mean over prompts, below it the 95% interval (prompts and seeds resampled). <b>Bold</b>: the best of the methods that a score may judge; methods that are not told apart from it are called tied. A value that a method was guided or selected by is marked and never the best. Scores that compare images of one prompt only have no mean: their difference from ${summary.reference} stands there, with the share of pairs that are better.</p>
${places.map((suite) => meansTables(summary, suite, places.length > 1))}
`;
}

/** Which way is better, where that is not upwards. */
const directionText = ({ higherIsBetter, isMerit = true }: Score): string =>
  isMerit ? (higherIsBetter ? '' : '; lower is better') : '; no merit by itself';

const placesOf = ({ best, means, comparisons }: Summary) => [
  ...new Set([...means, ...comparisons, ...best].map(({ suite }) => suite)),
];

const titleOf = (what: string, suite: string | undefined, isOneOfMany: boolean) =>
  isOneOfMany ? `${what}: ${suite ?? 'all suites together'}` : what;

function meansTables(summary: Summary, suite: string | undefined, isOneOfMany: boolean): Markup {
  const has = ({ name }: Score) =>
    [...summary.means, ...summary.comparisons].some((row) => row.suite === suite && row.score === name);
  const shown = summary.scores.filter(has);
  const columns = (caption: string, scores: readonly Score[]) =>
    table(
      caption,
      [
        {
          title: 'score',
          cell: (score: Score) =>
            html`${score.title}<br><small>${score.scale}${directionText(score)}</small>`,
        },
        ...summary.methods.map(
          ({ label, roles }): Column<Score> => ({
            title: label,
            isNumber: true,
            cell: (score) => valueCell(summary, suite, label, score, roles[score.name]),
          }),
        ),
      ],
      scores,
    );
  const title = titleOf('Scores', suite, isOneOfMany);
  const others = shown.filter(({ isHeadline }) => !isHeadline);
  return html`${columns(
    title,
    shown.filter(({ isHeadline }) => isHeadline),
  )}${
    others.length > 0 &&
    html`<details${summary.isOfClips && html` open`}><summary>${
      summary.isOfClips ? 'Frames and motion, other' : 'Other'
    } conventions and parts of these scores</summary>${columns(`${title}: conventions and parts`, others)}</details>`
  }
`;
}

function valueCell(
  summary: Summary,
  suite: string | undefined,
  method: string,
  score: Score,
  role: ScoreRole,
): Content {
  const isHere = (row: { suite?: string; category?: string; score: string }) =>
    row.suite === suite && row.category === undefined && row.score === score.name;
  const best = summary.best.find(isHere);
  const mean = summary.means.find((row) => isHere(row) && row.method === method);
  const compared = summary.comparisons.find((row) => isHere(row) && row.method === method);
  const standing = standingOf(best, method);
  const tag = role === 'judges' ? standing : ROLE_TAG[role];
  const notes = tag !== '' && html`<small class="tag">${tag}</small>`;
  const value = (text: string) => (best?.method === method ? html`<b>${text}</b>` : text);
  if (score.isAveraged) {
    if (mean === undefined) return 'none';
    return html`${value(quantity(mean.mean, score.digits))}<small>${intervalText(mean.interval, score.digits)}</small>${notes}`;
  }
  if (method === summary.reference) return html`0<small>the reference</small>${notes}`;
  if (compared === undefined) return 'none';
  const share = (100 * compared.wins) / compared.pairs;
  return html`${value(signedQuantity(compared.difference, score.digits))}<small>${intervalText(compared.interval, score.digits)}</small><small>${quantity(share, 0)}% better</small>${notes}`;
}

function standingOf(best: BestRow | undefined, method: string): string {
  if (best === undefined) return '';
  if (best.method === method) return best.ties.length === 0 ? 'best' : 'best, tied';
  return best.ties.includes(method) ? 'tied with best' : '';
}

/** What an outcome is called where the score did more than judge. */
export function outcomeText({ outcome, role, method }: ComparisonRow): string {
  if (role === 'judges' || outcome === 'not told apart') return outcome;
  return `${outcome}, but ${role === 'guides' ? 'it guided' : 'it selected'} ${method}: no result`;
}

/** Every method against the reference, by the scores that stand for their networks. */
export function comparisonsSection(summary: Summary): Markup {
  const { reference, comparisons, againstSearch } = summary;
  const isShown = ({ category, score }: ComparisonRow) =>
    category === undefined && summary.scores.some(({ name, isHeadline }) => name === score && isHeadline);
  const rows = comparisons.filter(isShown);
  const places = [...new Set(rows.map(({ suite }) => suite))];
  return html`<h2 id="comparisons">Comparisons</h2>
<p>Pairs of prompt and seed for which both images are there. <b>p</b>: Wilcoxon signed-rank test over prompts, corrected by Holm's method for the number of methods. A pair is tied where it differs by no more than the score's margin. <b>Effect</b>: mean over standard deviation of the prompts' differences. <b>Needed</b>: prompts that would show a difference of this size in four of five experiments. A method is called better or worse where p is below 0.05 and the interval is on one side of 0.</p>
${places.map((suite) =>
  comparisonTable(
    summary,
    titleOf(`Against ${reference}`, suite, places.length > 1),
    rows.filter((row) => row.suite === suite),
  ),
)}
${
  againstSearch.length > 0 &&
  comparisonTable(summary, 'Against the search of the nearest cost', againstSearch, true)
}
<p class="muted">Every score and category: comparisons.csv, beside this page.</p>
`;
}

function comparisonTable(
  { scores }: Summary,
  caption: string,
  rows: readonly ComparisonRow[],
  hasOther = false,
): Markup {
  const infoOf = (name: string) => scores.find((score) => score.name === name);
  const digits = ({ score }: ComparisonRow) => infoOf(score)?.digits ?? 3;
  return table(
    caption,
    [
      {
        title: 'method',
        cell: (row: ComparisonRow) => (hasOther ? `${row.method} against ${row.to}` : row.method),
      },
      { title: 'score', cell: ({ score }) => infoOf(score)?.title ?? score },
      ...(hasOther ? [{ title: 'suite', cell: ({ suite }: ComparisonRow) => suite ?? 'all' }] : []),
      { title: 'outcome', cell: outcomeText },
      {
        title: 'difference',
        isNumber: true,
        cell: (row) =>
          html`${signedQuantity(row.difference, digits(row))}<small>${intervalText(row.interval, digits(row))}</small>`,
      },
      { title: 'p (Holm)', isNumber: true, cell: ({ pHolm }) => pText(pHolm).replace('= ', '') },
      {
        title: 'better / tied / worse',
        isNumber: true,
        cell: ({ wins, ties, losses }) => `${wins} / ${ties} / ${losses}`,
      },
      {
        title: 'effect',
        isNumber: true,
        cell: ({ effectSize }) => (effectSize === null ? 'none' : signedQuantity(effectSize, 2)),
      },
      {
        title: 'prompts (needed)',
        isNumber: true,
        cell: ({ prompts, promptsNeeded }) =>
          `${quantity(prompts, 0)} (${promptsNeeded === null ? 'unknown' : neededText(promptsNeeded)})`,
      },
    ],
    rows,
  );
}

/** Figures beside each other; nothing where there are none. */
export function figuresOf(figures: readonly Figure[]): Content {
  return (
    figures.length > 0 &&
    html`<div class="figures">${figures.map(
      ({ svg, caption, name }) =>
        html`<figure>${new Markup(svg)}<figcaption>${caption} <span>File: ${name}.svg</span></figcaption></figure>\n`,
    )}</div>`
  );
}

/** A section of figures, with a line where there are none. */
export function figureSection(
  id: string,
  title: string,
  text: string,
  figures: readonly Figure[],
  none: string,
): Markup {
  return html`<h2 id="${id}">${title}</h2>
${figures.length > 0 ? html`<p>${text}</p>${figuresOf(figures)}` : html`<p>${none}</p>`}
`;
}
