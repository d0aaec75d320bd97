/**
 * @file Our engine beside PyTorch and diffusers: the same work, model, inputs, threads and machine, in turns.
 *
 *     npm run bench -- [model folder] [--python python3] [--rows "UNet forward,memory"] [--repeats 3] [--steps 2]
 *         [--threads 2] [--json out.json] [--chart out.svg] [--publish] [--quick]
 *
 * Without a folder a model of Stable Diffusion 1.4's shape with random weights is made (4.9 GB in the system's folder for
 * temporary files) and kept for the next time. `--rows` takes parts of names, with commas between. `--publish` writes
 * docs/bench.json and docs/bench.svg. `--quick` tries the benchmark itself: an eighth of the widths, small pictures, no goals.
 * The peers need Python with bench/peers/requirements.txt; without it our side is measured alone.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chartSvg } from './chart.ts';
import { GROWTH_NAMES, growthLines } from './growth-lines.ts';
import { randomModel } from './model.ts';
import { pairLine } from './pair-lines.ts';
import { findPeers } from './peers.ts';
import { alone, type Pair, pairs } from './rows.ts';
import { shareLines } from './share-lines.ts';
import { outcomeTable } from './table.ts';
import { tell } from './tell.ts';
import { judged, type Line } from './verdicts.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    rows: { type: 'string' },
    repeats: { type: 'string', default: '3' },
    steps: { type: 'string', default: '2' },
    threads: { type: 'string', default: '2' },
    json: { type: 'string' },
    chart: { type: 'string' },
    publish: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});

const fromHere = (path: string) => resolve(process.env.INIT_CWD ?? '.', path);
const published = (name: string) => fileURLToPath(new URL(`../docs/${name}`, import.meta.url));
/** Where an outcome is to be written. */
const places = (path: string | undefined, name: string) => [
  ...(path === undefined ? [] : [fromHere(path)]),
  ...(values.publish ? [published(name)] : []),
];

const { quick } = values;
/** The name of a program, or a path to one. */
const python = values.python.includes('/') ? fromHere(values.python) : values.python;
const settings = {
  repeats: Number(values.repeats),
  steps: Number(values.steps),
  threads: Number(values.threads),
};
const [given] = positionals;
const peers = await findPeers(python);
if ('missing' in peers) tell(peers.missing);
const folder = given === undefined ? await randomModel(quick ? 8 : 1) : fromHere(given);

const wanted = values.rows?.split(',').map((name) => name.trim().toLowerCase());
const isWanted = (name: string) => !wanted || wanted.some((part) => name.toLowerCase().includes(part));

const out = await mkdtemp(join(tmpdir(), 'sgool-bench-results-'));
try {
  const bench = { ...settings, folder, out, ...('missing' in peers ? {} : { python }) };
  const chosen = pairs(quick ? [64, 128] : [256, 512]).filter(({ name }) => isWanted(name));
  const measured: [Pair, Line][] = [];
  for (const pair of 'missing' in peers ? alone(chosen) : chosen) {
    tell(`${pair.name}, ${pair.peerName}`);
    measured.push([pair, await pairLine(bench, pair)]);
  }
  const lines = measured.map(([, line]) => line);
  lines.push(...(await shareLines(bench, measured)));
  if (Object.values(GROWTH_NAMES).some(isWanted)) lines.push(...(await growthLines(bench)));
  const outcome = judged(quick ? lines.map((line) => ({ ...line, goal: undefined })) : lines);
  process.stdout.write(`${outcomeTable(outcome)}\n`);
  const machine = { cpu: cpus()[0]?.model.trim(), node: process.versions.node, ...peers };
  const report = `${JSON.stringify({ machine, ...settings, lines: outcome }, null, 2)}\n`;
  const subtitle = `float32 unless said, ${settings.threads} threads, ${machine.cpu}; black mark: goal`;
  for (const path of places(values.json, 'bench.json')) await writeFile(path, report);
  for (const path of places(values.chart, 'bench.svg')) await writeFile(path, chartSvg(outcome, subtitle));
  // A quick run has no goals, and a row that computes something else is a failure at any size.
  if (outcome.some(({ verdict }) => verdict === 'results differ')) process.exitCode = 1;
} finally {
  await rm(out, { recursive: true });
}
