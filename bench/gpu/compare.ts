/**
 * @file Compares ours with PyTorch on the NVIDIA card of this machine: time, memory by the driver, and whether the results agree. It needs
 * no network, and ends within eight minutes.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { callerPath } from '../caller-path.ts';
import { chartSvg } from '../runs/chart.ts';
import { contender } from '../runs/contender.ts';
import { findPeers } from '../runs/find-peers.ts';
import { readFloat32 } from '../runs/float32-file.ts';
import { agreementOf, processMemory } from '../runs/measure.ts';
import { rowFilter, wrongRows } from '../runs/pairs.ts';
import { randomModel } from '../runs/random-model.ts';
import { type Report, reportText } from '../runs/report.ts';
import { lineText, outcomeTable } from '../runs/table.ts';
import { judged, type Line } from '../runs/verdicts.ts';
import type { RunAnswer } from '../runs/workload.ts';
import { askDriver, type Card } from './card.ts';
import { type Alike, COMPARISONS, type Comparison, decibels, lineOf, type Outcome } from './comparisons.ts';
import { CONTESTANTS, type ContestantName, onProcessor } from './contestants.ts';
import { measureAlone } from './measure-alone.ts';

/** The exit code where there is no card. */
const NO_CARD = 3;

const HELP = `Usage: npm run bench:gpu -- [options]

Iterations on the NVIDIA card of this machine at Stable Diffusion 1.4's shape, 512 pixels, with random weights that are made first (4.9 GB
in the system's folder for temporary files), beside careful PyTorch and DOODL as published. Every side runs alone, once; what is
not reached in the time is said. Needs no network. sgool devices tells whether cuda works.

  --python <program>   Python of the peers, with bench/peers/requirements.txt (python3)
  --rows <words>       rows whose names contain all of these words; a comma separates alternatives (all)
  --steps <n>          denoising steps of an iteration (10)
  --repeats <n>        timed runs after the first (2)
  --minutes <n>        time for everything (8)
  --json <file>        every figure, written after each side (bench-gpu.json)
  --chart <file>       the chart, SVG (bench-gpu.svg)
  --smoke              tries the script itself: on the processor, an eighth of the widths, 64 pixels

Exit codes: 0 measured, 1 results differ from the peer's, 2 wrong options, 3 no NVIDIA card.
`;

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    rows: { type: 'string' },
    steps: { type: 'string', default: '10' },
    repeats: { type: 'string', default: '2' },
    minutes: { type: 'string', default: '8' },
    json: { type: 'string', default: 'bench-gpu.json' },
    chart: { type: 'string', default: 'bench-gpu.svg' },
    smoke: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const { smoke } = values;
const started = performance.now();
const log = (text: string) => process.stderr.write(`bench:gpu: ${text}\n`);

if (values.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  const settings = {
    steps: Number(values.steps),
    repeats: Number(values.repeats),
    minutes: Number(values.minutes),
  };
  for (const [name, value] of Object.entries(settings)) {
    if (Number.isInteger(value) && value > 0) continue;
    log(`--${name} must be a whole number above 0, got ${value}`);
    process.exitCode = 2;
    return;
  }
  const rowOf = ({ name, otherName }: Comparison) => `${name} ${otherName}`;
  const wrong = wrongRows(values.rows, COMPARISONS.map(rowOf));
  if (wrong !== undefined) {
    log(wrong);
    process.exitCode = 2;
    return;
  }
  const card = smoke ? undefined : await askDriver().catch((error: Error) => error);
  if (card instanceof Error) {
    const reason = (error: Error) =>
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? 'there is no nvidia-smi'
        : error.message.split('\n')[0];
    log(`no NVIDIA card was found (${reason(card)}); --smoke tries the script on the processor`);
    process.exitCode = NO_CARD;
    return;
  }
  const isWanted = rowFilter(values.rows);
  const comparisons = COMPARISONS.filter((comparison) => isWanted(rowOf(comparison)));
  const lines = await measure(comparisons, card, settings);
  const outcome = judged(lines);
  process.stdout.write(`${outcomeTable(outcome)}\n`);
  if (outcome.some(({ verdict }) => verdict === 'results differ')) process.exitCode = 1;
}

interface Settings {
  readonly steps: number;
  readonly repeats: number;
  readonly minutes: number;
}

/** Measures every side that a comparison needs. Files are written after each, so that nothing measured is lost. */
async function measure(
  comparisons: readonly Comparison[],
  card: Card | undefined,
  { minutes, ...settings }: Settings,
): Promise<Line[]> {
  const needed = new Set(comparisons.flatMap(({ ours, other }) => [ours, other]));
  const python = values.python.includes('/') ? callerPath(values.python) : values.python;
  const peers = await findPeers(python);
  if ('missing' in peers) log(peers.missing);
  log('random weights ...');
  const folder = await randomModel('sd14', smoke ? 8 : 1);
  const out = await mkdtemp(join(tmpdir(), 'sgool-bench-gpu-'));
  const outcomes = new Map<ContestantName, Outcome & { readonly results?: RunAnswer['results'] }>();
  const threads = smoke ? 1 : cpus().length;
  const machine = { cpu: cpus()[0].model.trim(), node: process.versions.node, ...peers, ...card };
  let lines: Line[] = [];
  try {
    for (const [name, given] of Object.entries(CONTESTANTS) as [
      ContestantName,
      (typeof CONTESTANTS)[ContestantName],
    ][]) {
      if (!needed.has(name)) continue;
      const { program, fields } = smoke ? onProcessor(given) : given;
      const bench = { folderOf: async () => folder, out, threads, clock: 'wall', ...settings } as const;
      const one = await contender(bench, program, { ...fields, pixels: smoke ? 64 : 512 });
      log(`${name} ...`);
      // What other programs hold of the card is not counted.
      const before = smoke ? 0 : (await askDriver()).usedBytes;
      const sample = async (pid: number) =>
        smoke ? (await processMemory(pid)).proportional : (await askDriver()).usedBytes - before;
      const measured =
        program === 'peer' && 'missing' in peers
          ? { failed: 'no peers' }
          : await measureAlone(one, {
              out: join(out, name.replace(', ', '-')),
              ...(program === 'peer' ? { python } : {}),
              repeats: settings.repeats,
              milliseconds: minutes * 60_000 - (performance.now() - started),
              sample,
            }).catch((error: Error) => ({ failed: `${name}: ${error.message}` }));
      outcomes.set(name, measured);
      lines = await Promise.all(comparisons.map((comparison) => compared(comparison)));
      const report: Report = { machine, threads, ...settings, lines };
      await writeFile(callerPath(values.json), reportText(report));
      await writeFile(callerPath(values.chart), chartSvg(judged(lines), subtitle(card)));
      for (const line of lines.filter(({ ours, failed }) => ours !== undefined && failed === undefined)) {
        if (comparisons.some((one) => one.name === line.name && (one.ours === name || one.other === name)))
          log(lineText(line));
      }
    }
    return lines;
  } finally {
    await rm(out, { recursive: true });
  }

  async function compared(comparison: Comparison): Promise<Line> {
    const sides = [comparison.ours, comparison.other].map(
      (name) => outcomes.get(name) ?? { failed: `${name}: not measured` },
    );
    return lineOf(
      comparison,
      sides[0],
      sides[1],
      await alike(comparison, sides[0].results, sides[1].results),
    );
  }
}

/** How alike the results of two sides are, where they should be. */
async function alike(
  { figure, other }: Comparison,
  ours: RunAnswer['results'] | undefined,
  theirs: RunAnswer['results'] | undefined,
): Promise<Alike> {
  if (ours === undefined || theirs === undefined) return {};
  if (figure === 'likeness') {
    return { decibels: decibels(await readFloat32(ours.picture), await readFloat32(theirs.picture)) };
  }
  // The published form samples another way.
  if (figure !== 'time' || other.startsWith('published')) return {};
  return { agreement: await agreementOf({ results: ours }, { results: theirs }) };
}

function subtitle(card: Card | undefined): string {
  const where =
    card === undefined ? `smoke test on ${cpus()[0].model.trim()}` : `${card.name}, driver ${card.driver}`;
  return `${where}; black mark: goal; green: met, orange: not met`;
}
