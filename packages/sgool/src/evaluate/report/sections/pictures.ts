/** @file Sections of the page: prompts x methods in pictures, and the greatest changes. */
import type { CellRecord, DoneCell } from '../../cells/cell-record.ts';
import { quantity, signedQuantity } from '../format.ts';
import {
  type Change,
  type Changes,
  type Gallery,
  type GalleryCell,
  type GalleryRow,
  leftOut,
} from '../gallery.ts';
import { type Content, html, type Markup } from '../html.ts';
import type { NoPicture, Picture } from '../pictures.ts';
import type { Summary } from '../summary.ts';

const NO_PICTURE: Readonly<Record<NoPicture, string>> = {
  missing: 'the image file is missing',
  unreadable: 'the image file cannot be read',
  'over the limit': 'left out: the page would be too large',
};

/** Prompts that are shown at once; the others are folded away. */
const FIRST = 24;

interface Shown {
  readonly alt: string;
  readonly record?: CellRecord;
  readonly picture?: Picture | NoPicture;
  readonly hasBoxes?: boolean;
}

function pictureOf({ alt, record, picture, hasBoxes = false }: Shown): Markup {
  if (record === undefined) return html`<div class="none">not made yet</div>`;
  if (record.status === 'failed') return html`<div class="none">failed: ${record.error}</div>`;
  if (picture === undefined || typeof picture === 'string') {
    return html`<div class="none">${NO_PICTURE[picture ?? 'missing']}</div>`;
  }
  const { uri, width, height, sheet } = picture;
  const image = html`<img src="${uri}" width="${width}" height="${height}" alt="${alt}">`;
  if (sheet === undefined) return html`<div class="framed">${image}${hasBoxes && boxesOf(record)}</div>`;
  // Boxes move from frame to frame: they are drawn on the sheet.
  return html`<div class="framed">${image}</div><details class="frames"><summary>frames</summary><img src="${sheet.uri}" width="${sheet.width}" height="${sheet.height}" alt="${alt}, frame by frame"></details>`;
}

/** Each box twice, dark and light, so that it is seen on any ground. */
function boxesOf({ regions = [], image }: DoneCell): Content {
  return (
    regions.length > 0 &&
    html`<svg viewBox="0 0 ${image.width} ${image.height}" preserveAspectRatio="none" aria-hidden="true">${regions.map(
      ({ left, top, width, height }) => {
        const box = html`x="${left}" y="${top}" width="${width}" height="${height}"`;
        return html`<g><rect ${box}/><rect ${box}/></g>`;
      },
    )}</svg>`
  );
}

function judgeText(summary: Summary, record: CellRecord | undefined): string {
  const score = summary.scores.find(({ name }) => name === summary.judges[0]);
  const value = record?.status === 'done' && score ? record.scores[score.name] : undefined;
  return score === undefined || value === undefined || value === null
    ? ''
    : `${score.title} ${quantity(value, score.digits)}`;
}

/** What the section of results is called, and its place in the navigation. */
export const galleryTitle = ({ isOfClips }: Pick<Summary, 'isOfClips'>) => (isOfClips ? 'Clips' : 'Images');

/** The prompts with the image of each method. */
export function gallerySection(summary: Summary, found: Gallery): Markup {
  const { rows, left } = found;
  const cell = ({ method, record, picture }: GalleryCell, text: string) =>
    html`<figure>${pictureOf({
      alt: `${method}: ${text}`,
      record,
      picture,
      hasBoxes: true,
    })}<figcaption><b>${method}</b> ${judgeText(summary, record)}</figcaption></figure>`;
  const row = ({ suite, prompt, text, category, cells }: GalleryRow) => html`<div class="row">
<p><b><bdi>${text}</bdi></b> <small class="muted">${suite} ${prompt}${category !== undefined && `, ${category}`}</small></p>
<div class="pictures">${cells.map((one) => cell(one, text))}</div></div>
`;
  const [what, full] = summary.isOfClips
    ? ['Under each clip are its frames with the boxes of their salient things.', 'full clips (animated PNG)']
    : ['', 'full images'];
  return html`<h2 id="images">${galleryTitle(summary)}</h2>
<p>Each prompt with its first seed (${rows[0]?.seed ?? 'none'}) under each method, at most 160 pixels large. ${what} The ${full} are in the folder <code>cells</code>, the scores of each in scores.csv.</p>
${left > 0 && html`<p><b>${quantity(left, 0)} of ${quantity(left + rows.length, 0)} prompts are left out</b>, because the page would be too large with their images; every category has its share of those shown.</p>`}
${!summary.isOfClips && html`<input class="toggle" type="checkbox" id="boxes" checked> <label for="boxes">draw the salient regions</label>`}
<div class="rows">${rows.slice(0, FIRST).map(row)}${
    rows.length > FIRST &&
    html`<details><summary>The other ${rows.length - FIRST} prompts</summary>${rows.slice(FIRST).map(row)}</details>`
  }</div>
`;
}

/** The ten greatest rises and falls of each method; those of the best method are open. */
export function changesSection(summary: Summary, changes: readonly Changes[], found: Gallery): Markup {
  const { reference, judges, scores, best } = summary;
  const judge = scores.find(({ name }) => name === judges[0]);
  if (judge === undefined || changes.length === 0) {
    return html`<h2 id="changes">Greatest changes</h2>
<p>${judge === undefined ? 'No score may judge every method, so changes have no order.' : 'There is no method beside the reference.'}</p>
`;
  }
  const top = best.find(({ score }) => score === judge.name)?.method;
  const open = changes.some(({ method }) => method === top) ? top : changes[0].method;
  const over = leftOut(changes, found).changes;
  return html`<h2 id="changes">Greatest changes</h2>
<p>Pairs with the ten greatest rises and falls of ${judge.title} from ${reference} to each method, same prompt and same seed. Changes within the margin of ties (${judge.tie}) are not listed.</p>
${over > 0 && html`<p>The images of ${quantity(over, 0)} changes are left out, because the page would be too large.</p>`}
${changes.map(
  ({
    method,
    best: rises,
    worst,
  }) => html`<details${method === open && html` open`}><summary><b>${method}</b> against ${reference}</summary>
<h3>${method}: best changes</h3>${changeList(rises, method, summary)}
<h3>${method}: worst changes</h3>${changeList(worst, method, summary)}</details>
`,
)}`;
}

function changeList(list: readonly Change[], method: string, summary: Summary): Markup {
  if (list.length === 0) return html`<p>None.</p>`;
  const digits = summary.scores.find(({ name }) => name === summary.judges[0])?.digits ?? 3;
  const side = (label: string, { record, picture }: Change['before'], text: string) =>
    html`<figure>${pictureOf({ alt: `${label}: ${text}`, record, picture })}<figcaption><b>${label}</b> ${judgeText(summary, record)}</figcaption></figure>`;
  return html`<div class="changes">${list.map(
    ({ text, suite, prompt, seed, difference, before, after }) => html`<div class="row">
<p><b>${signedQuantity(difference, digits)}</b> <bdi>${text}</bdi> <small class="muted">${suite} ${prompt}, seed ${seed}</small></p>
<div class="pictures">${side(summary.reference, before, text)}${side(method, after, text)}</div></div>
`,
  )}</div>`;
}
