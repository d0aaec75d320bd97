/** @file Sections of the page: cost three times, equivalent N, agreement with the judge, diversity, tests of the noise. */
import type { Interval } from '../../statistics/bootstrap.ts';
import type { Figure } from '../figures/compose.ts';
import { intervalText, quantity, shortRatio, withUnit } from '../format.ts';
import { type Content, html, type Markup, table } from '../html.ts';
import type {
  AgreementRow,
  CostRow,
  DiversityRow,
  EquivalentRow,
  NoiseTestRow,
  Summary,
} from '../summary.ts';
import { figuresOf } from './results.ts';

const ratioInterval = (interval: Interval | null) =>
  interval === null ? intervalText(null, 0) : `${shortRatio(interval.low)} to ${shortRatio(interval.high)}`;
const times = (ratio: number | null) => (ratio === null ? 'unknown' : `${shortRatio(ratio)}×`);

/** What one image costs, what it is worth in plain images, and the charts of both. */
export function costSection(summary: Summary, figures: readonly Figure[]): Markup {
  const { reference, cost, equivalent, scores, equalCost, methods } = summary;
  const several = new Set(equivalent.map(({ suite }) => suite)).size > 1;
  return html`<h2 id="cost">Cost</h2>
<p>Means of one image, three times: network calls of the denoiser (forward, and backward for gradients), floating-point operations of all networks, and seconds. Small: relative to ${reference}.</p>
${
  methods.some(({ firstOf }) => firstOf !== undefined) &&
  html`<p>The candidates of a search do not depend on each other, so what it selects among its first ones is known without another run: the columns called “first”, each at the cost of a method. They have the scores that every candidate has.</p>`
}
${table(
  'Cost of one image',
  [
    { title: 'method', cell: ({ method }: CostRow) => method },
    { title: 'calls forward', isNumber: true, cell: ({ forward }) => quantity(forward, 0) },
    { title: 'calls backward', isNumber: true, cell: ({ pullback }) => quantity(pullback, 0) },
    {
      title: 'calls, relative',
      isNumber: true,
      cell: ({ relative }) => times(relative.calls),
    },
    {
      title: 'FLOPs',
      isNumber: true,
      cell: ({ flops, relative }) => html`${withUnit(flops)}<small>${times(relative.flops)}</small>`,
    },
    {
      title: 'seconds',
      isNumber: true,
      cell: ({ seconds, relative }) => html`${quantity(seconds, 2)}<small>${times(relative.seconds)}</small>`,
    },
    {
      title: 'search of the nearest cost',
      cell: ({ method }): Content => {
        const row = equalCost.find((one) => one.method === method);
        if (row === undefined) return 'not needed';
        if (row.search === undefined || row.ratio === undefined) return 'missing';
        return `${row.search}, ${row.isEqual ? 'equal cost' : `${times(row.ratio)} its cost`}`;
      },
    },
  ],
  cost,
)}
${
  equivalent.length > 0 &&
  html`<h3>Equivalent N</h3>
<p>The N whose best of N images of ${reference}, if the judge itself chose it, has the method's mean score. N over cost above 1: the method does what search would do for more. From the spread of the plain images within a prompt, taken as about normal. Small: 95% intervals, prompts and seeds resampled.</p>
${table(
  'Equivalent N',
  [
    { title: 'method', cell: ({ method }: EquivalentRow) => method },
    { title: 'score', cell: ({ score }) => scores.find(({ name }) => name === score)?.title ?? score },
    ...(several ? [{ title: 'suite', cell: ({ suite }: EquivalentRow) => suite ?? 'all' }] : []),
    {
      title: 'equivalent N',
      isNumber: true,
      cell: ({ n, isAtLeast, interval }) =>
        html`${isAtLeast ? 'at least ' : ''}${shortRatio(n)}<small>${ratioInterval(interval)}</small>`,
    },
    { title: 'cost', isNumber: true, cell: (row) => times(row.cost) },
    {
      title: 'N over cost',
      isNumber: true,
      cell: ({ perCost, perCostInterval }) =>
        perCost === null
          ? 'unknown'
          : html`${quantity(perCost, 2)}<small>${intervalText(perCostInterval, 2)}</small>`,
    },
  ],
  equivalent,
)}`
}
${figuresOf(figures)}
`;
}

/** What choosing by each score is worth. */
export function agreementSection({ agreement, scores }: Summary): Markup {
  const title = (name: string) => scores.find((score) => score.name === name)?.title ?? name;
  const whole = agreement.filter(({ category }) => category === undefined);
  const several = new Set(whole.map(({ suite }) => suite)).size > 1;
  return html`<h2 id="agreement">Agreement of the scores with the judge</h2>
${
  whole.length === 0
    ? html`<p>It needs two or more images of a prompt that nothing guided, with both scores.</p>`
    : html`<p>Correlation within a prompt, over images that nothing guided. The best of N images by a score raises the judge by this share of what the judge's own best of N would.</p>
${table(
  'Agreement with the judge',
  [
    { title: 'score', cell: ({ score }: AgreementRow) => title(score) },
    { title: 'judge', cell: ({ judge }) => title(judge) },
    ...(several ? [{ title: 'suite', cell: ({ suite }: AgreementRow) => suite ?? 'all' }] : []),
    {
      title: 'correlation',
      isNumber: true,
      cell: ({ r, interval }) => html`${quantity(r, 2)}<small>${intervalText(interval, 2)}</small>`,
    },
    { title: 'prompts', isNumber: true, cell: ({ prompts }) => quantity(prompts, 0) },
    { title: 'images', isNumber: true, cell: ({ images }) => quantity(images, 0) },
  ],
  whole,
)}`
}
`;
}

/** How different the images of one prompt are. */
export function diversitySection({ diversity, seeds, methods }: Summary): Markup {
  const several = new Set(diversity.map(({ suite }) => suite)).size > 1;
  return html`<h2 id="diversity">Diversity</h2>
${
  diversity.length === 0
    ? html`<p>${seeds < 2 ? 'There is one seed for each prompt: diversity needs two or more.' : 'No two images of one prompt have stored features.'}</p>`
    : html`<p>Mean pairwise cosine distance of the features of the images of one prompt over its seeds. A method that makes all images alike is lower.</p>
${table(
  'Diversity',
  [
    { title: 'method', cell: ({ method }: DiversityRow) => method },
    { title: 'features of', cell: ({ network, method }) => networkText(network, method, methods) },
    ...(several ? [{ title: 'suite', cell: ({ suite }: DiversityRow) => suite ?? 'all' }] : []),
    {
      title: 'distance',
      isNumber: true,
      cell: ({ distance, interval }) =>
        html`${quantity(distance, 3)}<small>${intervalText(interval, 3)}</small>`,
    },
    { title: 'prompts', isNumber: true, cell: ({ prompts }) => quantity(prompts, 0) },
  ],
  diversity,
)}`
}
`;
}

/** Whether the noise of the results still looks like noise. */
export function noiseSection({ noiseTests }: Summary): Markup {
  return html`<h2 id="noise">Noise of the results</h2>
${
  noiseTests.length === 0
    ? html`<p>No image has starting noise that was tested.</p>`
    : html`<p>How far the starting noise of the images is from noise, in standard deviations: its norm (chi-square), and the means of its patches of 8 × 8. Of noise both means are near 0 and one image in eleven is beyond 2. A method that is far from it makes images from what the model was not trained on.</p>
${table(
  'Noise of the results',
  [
    { title: 'method', cell: ({ method }: NoiseTestRow) => method },
    { title: 'norm', isNumber: true, cell: ({ norm }) => quantity(norm, 2) },
    { title: 'patches', isNumber: true, cell: ({ patches }) => quantity(patches, 2) },
    { title: 'beyond 2', isNumber: true, cell: ({ beyond }) => `${quantity(100 * beyond, 0)}%` },
    { title: 'images', isNumber: true, cell: ({ images }) => quantity(images, 0) },
  ],
  noiseTests,
)}`
}
`;
}

/** A network that guided or selected the method sees its images with other eyes. */
function networkText(network: string, method: string, methods: Summary['methods']): string {
  const role = methods.find(({ label }) => label === method)?.roles[network];
  return role === 'guides' || role === 'selects' ? `${network} (which ${role} it)` : network;
}
