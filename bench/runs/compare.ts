/** @file Compares our engine with PyTorch and diffusers: the same workloads, model, inputs, threads and machine, in turns. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { callerPath } from '../caller-path.ts';
import type { FullSizeName } from '../networks/models.ts';
import type { Clock } from './contender.ts';
import { findPeers } from './find-peers.ts';
import { log } from './log.ts';
import { pairLines } from './pair-lines.ts';
import { oursAlone, type Pair, pairs, rowFilter, wrongRows } from './pairs.ts';
import { randomModel } from './random-model.ts';
import { publish, type Report, reportChart, reportText } from './report.ts';
import { SCALING_NAMES, scalingLines } from './scaling.ts';
import { outcomeTable } from './table.ts';
import { utilisationLines } from './utilisation.ts';
import { judged } from './verdicts.ts';

const HELP = `Usage: npm run bench -- [runs] [model folder] [options]
       npm run bench -- [runs] --from <file> [--chart <file>] [--publish]

Models with random weights are made once, in the system's folder for temporary files: Stable Diffusion 1.4's shape (4.9 GB) unless a
folder is given, the same with a motion adapter (6.5 GB) for clips, Stable Diffusion 3.5 medium's (5.1 GB). The peers need a Python with bench/peers/requirements.txt; without one only our side is measured.

  --python <program>  Python of the peers (python3)
  --rows <words>      rows whose names contain all of these words; a comma separates alternatives (all)
  --repeats <n>       timed runs of each side (3)
  --steps <n>         denoising steps of an iteration (2)
  --threads <n>       of both sides (2)
  --clock <name>      wall, or processor: the time that all threads compute together. On a busy machine it says more, with one thread,
                      which never waits for another; rows are named after it (wall)
  --json <file>       writes every measured figure
  --chart <file>      writes the chart, SVG
  --publish           puts the rows into docs/bench.json, docs/bench.svg and README.md, replacing rows of the same names
  --from <file>       measures nothing; reads what an earlier run wrote with --json
  --quick             tries the benchmark itself: an eighth of the widths, small images, no goals
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    rows: { type: 'string' },
    repeats: { type: 'string', default: '3' },
    steps: { type: 'string', default: '2' },
    threads: { type: 'string', default: '2' },
    clock: { type: 'string', default: 'wall' },
    json: { type: 'string' },
    chart: { type: 'string' },
    from: { type: 'string' },
    publish: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const { quick } = values;
const allPairs = pairs(quick ? [64, 128] : [256, 512]);
const rowOf = ({ name, peerName }: Pair) => `${name} ${peerName}`;
const wrong = wrongRows(values.rows, [...allPairs.map(rowOf), ...Object.values(SCALING_NAMES)]);

if (values.help) {
  process.stdout.write(HELP);
} else if (quick && values.publish) {
  log('--publish: not possible with --quick; only figures at full size are published');
  process.exitCode = 2;
} else if (values.clock !== 'wall' && values.clock !== 'processor') {
  log(`--clock: must be wall or processor, got ${values.clock}`);
  process.exitCode = 2;
} else if (wrong !== undefined) {
  log(wrong);
  process.exitCode = 2;
} else {
  await main();
}

async function main(): Promise<void> {
  const report =
    values.from === undefined
      ? await measure()
      : (JSON.parse(await readFile(callerPath(values.from), 'utf8')) as Report);
  const outcome = judged(report.lines);
  process.stdout.write(`${outcomeTable(outcome)}\n`);
  if (values.json) await writeFile(callerPath(values.json), reportText(report));
  if (values.chart) await writeFile(callerPath(values.chart), reportChart(report));
  if (values.publish) await publish(report);
  // Goals may be missed, but a row whose sides compute different things is void.
  if (outcome.some(({ verdict }) => verdict === 'results differ')) process.exitCode = 1;
}

async function measure(): Promise<Report> {
  const settings = {
    repeats: Number(values.repeats),
    steps: Number(values.steps),
    threads: Number(values.threads),
    clock: values.clock as Clock,
  };
  const [given] = positionals;
  // The name of a program, or a path to one.
  const python = values.python.includes('/') ? callerPath(values.python) : values.python;
  const peers = await findPeers(python);
  if ('missing' in peers) log(peers.missing);
  const folderOf = async (model: FullSizeName) =>
    given !== undefined && model === 'sd14' ? callerPath(given) : randomModel(model, quick ? 8 : 1);
  const isWanted = rowFilter(values.rows);
  const out = await mkdtemp(join(tmpdir(), 'sgool-bench-results-'));
  try {
    const bench = { ...settings, folderOf, out, ...('missing' in peers ? {} : { python }) };
    const chosen = allPairs.filter((pair) => isWanted(rowOf(pair)));
    const measured = 'missing' in peers ? oursAlone(chosen) : chosen;
    const lines = await pairLines(bench, measured);
    lines.push(...(await utilisationLines(bench, measured, lines)));
    if (Object.values(SCALING_NAMES).some(isWanted)) lines.push(...(await scalingLines(bench)));
    return {
      machine: { cpu: cpus()[0].model.trim(), node: process.versions.node, ...peers },
      ...settings,
      lines: quick ? lines.map((line) => ({ ...line, goal: undefined })) : lines,
    };
  } finally {
    await rm(out, { recursive: true });
  }
}
