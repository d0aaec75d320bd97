/**
 * @file Our engine beside PyTorch and diffusers: the same work, model, inputs, threads and machine, in turns.
 *
 *     npm run bench -- [model folder] [--python python3] [--rows "unet forward 256, memory"] [--repeats 3] [--steps 2]
 *         [--threads 2] [--json out.json] [--chart out.svg] [--publish] [--quick]
 *     npm run bench -- --from out.json [--chart out.svg] [--publish]
 *
 * Without a folder a model of Stable Diffusion 1.4's shape with random weights is made (4.9 GB in the system's folder for
 * temporary files) and kept for the next time. The peers need Python with bench/peers/requirements.txt; without it our side
 * is measured alone.
 *
 * `--rows` takes words of the rows that are meant, with commas between rows. `--quick` tries the benchmark itself: an eighth
 * of the widths, small images, no goals. `--publish` puts the rows into docs/bench.json, docs/bench.svg and README.md, in
 * place of those of the same names. `--from` measures nothing and takes what an earlier run wrote.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { tell } from './log.ts';
import { randomModel } from './model.ts';
import { pairLines } from './pair-lines.ts';
import { findPeers } from './peers.ts';
import { publish, type Report, reportChart, reportText } from './report.ts';
import { alone, chooser, pairs } from './rows.ts';
import { GROWTH_NAMES, growthLines } from './scaling.ts';
import { outcomeTable } from './table.ts';
import { shareLines } from './utilisation.ts';
import { judged } from './verdicts.ts';

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
    from: { type: 'string' },
    publish: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});

const fromHere = (path: string) => resolve(process.env.INIT_CWD ?? '.', path);

const { quick } = values;

if (quick && values.publish) {
  tell('--publish is for figures of the full size, not of --quick');
  process.exit(1);
}
const report =
  values.from === undefined
    ? await measure()
    : (JSON.parse(await readFile(fromHere(values.from), 'utf8')) as Report);
const outcome = judged(report.lines);
process.stdout.write(`${outcomeTable(outcome)}\n`);
if (values.json) await writeFile(fromHere(values.json), reportText(report));
if (values.chart) await writeFile(fromHere(values.chart), reportChart(report));
if (values.publish) await publish(report);
// Goals may be missed, but a row whose sides compute different things is no row.
if (outcome.some(({ verdict }) => verdict === 'results differ')) process.exitCode = 1;

async function measure(): Promise<Report> {
  const settings = {
    repeats: Number(values.repeats),
    steps: Number(values.steps),
    threads: Number(values.threads),
  };
  const [given] = positionals;
  /** The name of a program, or a path to one. */
  const python = values.python.includes('/') ? fromHere(values.python) : values.python;
  const peers = await findPeers(python);
  if ('missing' in peers) tell(peers.missing);
  const folder = given === undefined ? await randomModel(quick ? 8 : 1) : fromHere(given);
  const isWanted = chooser(values.rows);
  const out = await mkdtemp(join(tmpdir(), 'sgool-bench-results-'));
  try {
    const bench = { ...settings, folder, out, ...('missing' in peers ? {} : { python }) };
    const chosen = pairs(quick ? [64, 128] : [256, 512]).filter(({ name, peerName }) =>
      isWanted(`${name} ${peerName}`),
    );
    const measured = 'missing' in peers ? alone(chosen) : chosen;
    const lines = await pairLines(bench, measured);
    lines.push(...(await shareLines(bench, measured, lines)));
    if (Object.values(GROWTH_NAMES).some(isWanted)) lines.push(...(await growthLines(bench)));
    return {
      machine: { cpu: cpus()[0].model.trim(), node: process.versions.node, ...peers },
      ...settings,
      lines: quick ? lines.map((line) => ({ ...line, goal: undefined })) : lines,
    };
  } finally {
    await rm(out, { recursive: true });
  }
}
