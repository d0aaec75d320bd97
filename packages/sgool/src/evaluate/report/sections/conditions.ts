/** @file Sections of the page: roles of the scores, fairness, failures, defects, settings, and how to run it again. */
import type { Manifest } from '../../cells/manifest.ts';
import { quantity } from '../format.ts';
import { type Content, html, type Markup, table } from '../html.ts';
import type { FailureRow, Summary } from '../summary.ts';

/** What guides, what selects, what judges. */
export function rolesSection({ methods, scores }: Summary): Markup {
  const headlines = scores.filter(({ isHeadline }) => isHeadline);
  const named = (names: readonly string[]) => (names.length === 0 ? 'none' : names.join(', '));
  return html`<h2 id="roles">What guides, what selects, what judges</h2>
<p>A score that a method follows, or by which it chooses its result, rises whether the images are better or not. So it is never the result of that method, nor is another convention of the same network.</p>
${table(
  'Roles of the scores',
  [
    { title: 'method', cell: ({ label }: Summary['methods'][number]) => label },
    { title: 'guided by', cell: ({ guides }) => named(guides) },
    { title: 'selected by', cell: ({ selects }) => named(selects) },
    {
      title: 'may be judged by',
      cell: ({ roles }) =>
        named(headlines.filter(({ name }) => roles[name] === 'judges').map(({ title }) => title)),
    },
  ],
  methods,
)}`;
}

/** What was checked, and the settings that the methods share. */
export function fairnessSection(summary: Summary, { methods }: Manifest): Markup {
  const { settings, noise, warnings } = summary;
  const differing = settings.filter(({ isEqual }) => !isEqual);
  const columns = [
    { title: 'setting', cell: ({ key }: Summary['settings'][number]) => key },
    ...methods.map(({ label }) => ({
      title: label,
      cell: ({ values }: Summary['settings'][number]): Content => values[label] ?? 'none',
    })),
  ];
  return html`<h2 id="fairness">Fairness and settings</h2>
<ul><li>${noise.text}</li>
${warnings.filter((line) => line !== noise.text).map((line) => html`<li>${line}</li>\n`)}</ul>
${
  differing.length === 0
    ? html`<p>The settings that methods share are equal.</p>`
    : table('Shared settings that differ', columns, differing)
}
<details><summary>All settings of each method</summary>
${methods.map(
  ({ label, method, settings: own }) => html`<h3>${label}</h3>
${table(
  `Settings of ${label} (${method})`,
  [
    { title: 'setting', cell: ([key]: readonly [string, unknown]) => key },
    { title: 'value', cell: ([, value]) => JSON.stringify(value) },
  ],
  Object.entries(own),
)}`,
)}</details>
`;
}

/** Cells that failed, scores that are missing, prompts that were read in part. */
export function failuresSection(summary: Summary): Markup {
  const { failures, truncated, notes, cells } = summary;
  const waiting = cells.total - cells.done - cells.failed;
  return html`<h2 id="failures">Failures and gaps</h2>
${failures.length === 0 && html`<p>No image failed.</p>`}
${waiting > 0 && html`<p>${quantity(waiting, 0)} images are not made yet.</p>`}
${
  failures.length > 0 &&
  table(
    'Images that failed',
    [
      {
        title: 'prompt',
        cell: ({ suite, prompt, text }: FailureRow) =>
          html`<bdi>${text}</bdi><br><small>${suite} ${prompt}</small>`,
      },
      { title: 'method', cell: ({ method }) => method },
      { title: 'seed', cell: ({ seed }) => seed },
      { title: 'reason', cell: ({ error }) => error },
      { title: 'attempts', isNumber: true, cell: ({ attempts }) => attempts },
    ],
    failures,
  )
}
${
  notes.length > 0 &&
  table(
    'What could not be scored',
    [
      { title: 'reason', cell: ({ note }: Summary['notes'][number]) => note },
      { title: 'images', isNumber: true, cell: ({ cells: count }) => quantity(count, 0) },
    ],
    notes,
  )
}
${
  truncated.length === 0
    ? html`<p>Every score read every prompt whole.</p>`
    : table(
        'Prompts that a score read only in part, because they are too long for it',
        [
          {
            title: 'prompt',
            cell: ({ suite, prompt }: Summary['truncated'][number]) => `${suite} ${prompt}`,
          },
          { title: 'scores', cell: ({ scores }) => scores.join(', ') },
        ],
        truncated,
      )
}
`;
}

/** Known defects of the lists of prompts. */
export function defectsSection({ defects }: Summary): Markup {
  return html`<h2 id="defects">Known defects of the prompts</h2>
${
  defects.length === 0
    ? html`<p>None is known.</p>`
    : html`<ul>${defects.map(({ suite, defect }) => html`<li><b>${suite}</b>: ${defect}</li>\n`)}</ul>`
}
`;
}

/** Everything that is needed to run it again. */
export function againSection(manifest: Manifest, { machines }: Summary): Markup {
  const { command, model, device, precision, created, suites, scores, versions, seeds } = manifest;
  const pairs: readonly (readonly [string, Content])[] = [
    ['model', html`${model.name}<br><code>${model.hash}</code>`],
    ['device, precision', `${device}, ${precision}`],
    ['seeds', seeds.map(String).join(', ')],
    ['begun', created],
    ['machines', machines.length === 0 ? 'none' : machines.join('; ')],
    ['versions', Object.entries(versions).map(([name, version]) => html`${name} ${version}<br>`)],
  ];
  return html`<h2 id="again">To run it again</h2>
<pre><code>${command}</code></pre>
${table(
  'Conditions',
  [
    { title: 'what', cell: ([name]: (typeof pairs)[number]) => name },
    { title: 'value', cell: ([, value]) => value },
  ],
  pairs,
)}
${table(
  'Suites',
  [
    {
      title: 'suite',
      cell: ({ name, title }: Manifest['suites'][number]) => html`${name}<br><small>${title}</small>`,
    },
    { title: 'prompts', isNumber: true, cell: ({ prompts }) => quantity(prompts.length, 0) },
    {
      title: 'origin',
      cell: ({ origin, licence }) => (licence === undefined ? origin : `${origin} (${licence})`),
    },
    { title: 'SHA-256', cell: ({ sha256 }) => html`<code>${sha256}</code>` },
  ],
  suites,
)}
${table(
  'Scores',
  [
    {
      title: 'score',
      cell: ({ name, title }: Manifest['scores'][number]) => html`${title}<br><small>${name}</small>`,
    },
    {
      title: 'scale',
      cell: ({ scale, higherIsBetter, isMerit = true }) =>
        `${scale}; ${isMerit ? `${higherIsBetter ? 'higher' : 'lower'} is better` : 'no merit by itself'}`,
    },
    { title: 'tied up to', isNumber: true, cell: ({ tie }) => String(tie) },
    { title: 'preprocessing', cell: ({ preprocessing }) => preprocessing ?? 'none stated' },
    {
      title: 'SHA-256 of the weights',
      cell: ({ weights }) => (weights === undefined ? 'none stated' : html`<code>${weights}</code>`),
    },
  ],
  scores,
)}
`;
}
