/** @file The sheet on which somebody marks pictures: one page with everything in it, which knows no method and no score. */
import { escapeMarkup } from 'sgool/evaluate';
import type { MarkedPicture } from './choose.ts';

/** A picture with its file, as a data URI. */
export interface SheetPicture extends MarkedPicture {
  readonly uri: string;
}

/** What the page saves: for each picture that was looked at, which statements are right. */
export interface Marks {
  /** Of the sheet that they belong to. */
  readonly sheet: string;
  readonly marks: Readonly<Record<string, readonly boolean[]>>;
}

const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem 1rem 6rem; }
ol { list-style: none; padding: 0; display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); }
li { border: 1px solid #8886; border-radius: 8px; padding: .75rem; }
li.seen { border-color: #0a7; }
img { width: 256px; max-width: 100%; image-rendering: pixelated; display: block; margin-bottom: .5rem; }
label { display: block; padding: .15rem 0; } b { overflow-wrap: anywhere; }
footer { position: fixed; inset: auto 0 0; padding: .75rem 1rem; background: Canvas; border-top: 1px solid #8886; }
button { font: inherit; padding: .35rem 1rem; }
`;

/** Ticks stay in the browser until they are saved as a file. */
const SCRIPT = `
const sheet = document.body.dataset.sheet;
const kept = JSON.parse(localStorage.getItem(sheet) ?? '{}');
const items = [...document.querySelectorAll('li')];
const ticks = (item) => [...item.querySelectorAll('input.statement')];
function show() {
  for (const item of items) {
    const marks = kept[item.dataset.number];
    item.className = marks === undefined ? '' : 'seen';
    item.querySelector('input.done').checked = marks !== undefined;
    if (marks !== undefined) ticks(item).forEach((tick, i) => { tick.checked = marks[i]; });
  }
  document.querySelector('output').textContent = Object.keys(kept).length + ' of ' + items.length + ' marked';
}
for (const item of items) {
  item.addEventListener('change', (event) => {
    if (event.target.matches('.done') && !event.target.checked) delete kept[item.dataset.number];
    else kept[item.dataset.number] = ticks(item).map((tick) => tick.checked);
    localStorage.setItem(sheet, JSON.stringify(kept));
    show();
  });
}
document.querySelector('button').addEventListener('click', () => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([JSON.stringify({ sheet, marks: kept })], { type: 'application/json' }));
  link.download = 'marks.json';
  link.click();
});
show();
`;

/** The page. @param sheet a name that its marks repeat */
export function sheetPage(sheet: string, pictures: readonly SheetPicture[]): string {
  const items = pictures.map(
    ({ number, prompt, statements, uri }) => `<li data-number="${number}">
<img src="${uri}" alt="Picture ${number}">
<b>${number}. ${escapeMarkup(prompt)}</b>
${statements.map((text) => `<label><input type="checkbox" class="statement"> ${escapeMarkup(text)}</label>`).join('\n')}
<label><input type="checkbox" class="done"> looked at</label>
</li>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Marks</title>
<style>${STYLE}</style>
</head>
<body data-sheet="${escapeMarkup(sheet)}">
<h1>What do the pictures show?</h1>
<p>Tick each statement that is right of its picture, as you see it; leave the others. Where none is right, tick "looked at" alone.
What is ticked stays in this browser; at the end, save it as a file.</p>
<ol>
${items.join('\n')}
</ol>
<footer><button>Save marks.json</button> <output></output></footer>
<script>${SCRIPT}</script>
</body>
</html>
`;
}
