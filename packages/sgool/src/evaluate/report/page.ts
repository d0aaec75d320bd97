/** @file The page of a report: one HTML file that needs nothing else, without a script. */
import type { Evaluation } from '../cells/run-folder.ts';
import type { Figures } from './figures/all.ts';
import type { Changes, Gallery } from './gallery.ts';
import { html, Markup } from './html.ts';
import {
  againSection,
  defectsSection,
  failuresSection,
  fairnessSection,
  rolesSection,
} from './sections/conditions.ts';
import { agreementSection, costSection, diversitySection, noiseSection } from './sections/cost.ts';
import { changesSection, gallerySection, galleryTitle } from './sections/pictures.ts';
import { answerSection, comparisonsSection, figureSection, meansSection } from './sections/results.ts';
import { STYLE } from './style.ts';
import type { Summary } from './summary.ts';

/** What a page shows. */
export interface PageContent {
  readonly evaluation: Evaluation;
  readonly summary: Summary;
  readonly figures: Figures;
  readonly gallery: Gallery;
  readonly changes: readonly Changes[];
}

const SECTIONS = [
  ['answer', 'The answer'],
  ['summary', 'Summary'],
  ['comparisons', 'Comparisons'],
  ['roles', 'Roles of the scores'],
  ['distributions', 'Distributions'],
  ['means', 'Means'],
  ['categories', 'Categories'],
  ['cost', 'Cost'],
  ['agreement', 'Agreement with the judge'],
  ['curves', 'Over-optimisation'],
  ['diversity', 'Diversity'],
  ['noise', 'Noise'],
  ['images', 'Images'],
  ['changes', 'Greatest changes'],
  ['failures', 'Failures'],
  ['defects', 'Defects'],
  ['fairness', 'Fairness and settings'],
  ['again', 'To run it again'],
] as const;

/** Nothing is loaded, nothing runs. */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/** The whole document. */
export function page({ evaluation, summary, figures, gallery, changes }: PageContent): string {
  const { manifest } = evaluation;
  const suites = manifest.suites.map(({ name }) => name);
  const title = `Evaluation: ${suites.join(', ')}`;
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<a class="skip" href="#answer">To the answer</a>
<header>
<h1>${title}</h1>
<nav aria-label="Sections"><ul>${SECTIONS.map(([id, name]) => html`<li><a href="#${id}">${id === 'images' ? galleryTitle(summary) : name}</a></li>\n`)}</ul></nav>
</header>
<main>
${answerSection(summary, suites)}
${meansSection(summary)}
${comparisonsSection(summary)}
${rolesSection(summary)}
${figureSection('distributions', 'Distributions', 'One box for each method.', figures.boxes, 'No score has a value yet.')}
${figureSection('means', 'Means', 'Bars begin at zero, unless values are below it.', figures.means, 'No score has a value yet.')}
${figureSection('categories', 'Categories', 'The same for each category of prompts. A category of few prompts has a wide interval, or none.', figures.categories, 'The prompts have no categories.')}
${costSection(summary, figures.cost)}
${agreementSection(summary)}
${figureSection('curves', 'Over-optimisation', 'What the judge says of the images on the way. A method that goes on after the judge has its highest value gains on the score that it follows, and on nothing else.', figures.curves, 'No method has images of iterations that a judge has scored.')}
${diversitySection(summary)}
${noiseSection(summary)}
${gallerySection(summary, gallery)}
${changesSection(summary, changes, gallery)}
${failuresSection(summary)}
${defectsSection(summary)}
${fairnessSection(summary, manifest)}
${againSection(manifest, summary)}
</main>
<footer><p class="muted">Made by sgool evaluate report. Tables as CSV, figures as SVG and PNG, and all figures as summary.json are in the same folder.</p></footer>
</body>
</html>
`;
  return document.text;
}
