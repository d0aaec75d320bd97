/**
 * @file Runs that are killed at random moments and gone on with, and what they have in common with runs that nothing happens to: all bytes
 * but times.
 *
 *     npm run test:kills:runs -w sgool -- --kills 50 --seed 1
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { encodePng, Generator } from 'sgool';
import { discImage } from '../src/cli/testing.ts';
import { type RunWith, runSgool, SGOOL_ARGUMENTS } from './run-sgool.ts';
import { temporaryFolder } from './toybox-model.ts';

const few = [
  '--seed',
  '5',
  '--steps',
  '3',
  '--cutouts',
  '2',
  '--cut-size',
  '0.8',
  '--saliency',
  'spectral-residual',
  '--out',
  'out',
];
const {
  sgool: all,
  bestOf,
  clipGuided,
  refine,
  series,
} = {
  sgool: [
    'generate',
    'a red cat',
    ...few,
    '--iterations',
    '4',
    '--perturbation',
    '0.01',
    '--optimiser',
    'adam',
  ],
  bestOf: [
    'generate',
    'a red cat',
    '--method',
    'best-of',
    ...few.slice(0, 4),
    '--iterations',
    '5',
    '--out',
    'out',
  ],
  clipGuided: ['generate', 'a red cat', '--method', 'clip-guided', ...few.slice(0, 8), '--out', 'out'],
  refine: ['refine', 'disc.png', 'a blue disc', ...few, '--iterations', '2'],
  series: ['generate', 'a red cat', '--count', '3', ...few, '--iterations', '1', '--sampler', 'ddim'],
};
/** What is killed, one after the other. */
export const KILLED: readonly (readonly string[])[] = [all, refine, series, bestOf, clipGuided];

/** What is run; `sgool` itself, unless it says otherwise. */
type Program = Pick<RunWith, 'program' | 'env'>;

/** Everything in a folder, by path; without times, memory, and where the folder is. */
export async function contentOf(dir: string): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for (const name of (await readdir(dir, { recursive: true })).sort()) {
    const bytes = await readFile(path.join(dir, name)).catch(() => undefined);
    if (bytes === undefined) continue;
    const timeless = (key: string, value: unknown) =>
      ['seconds', 'started', 'peakMemoryBytes', 'estimate'].includes(key) ? 0 : value;
    content[name] = name.endsWith('.json')
      ? JSON.stringify(JSON.parse(bytes.toString(), timeless)).replaceAll(path.dirname(dir), '')
      : bytes.toString('base64');
  }
  return content;
}

/** Runs a command to its end in a folder of its own. @param how the program, and its environment */
export async function undisturbed(words: readonly string[], root: string, how: Program = {}) {
  const cwd = await workFolder(root);
  const started = performance.now();
  const { code, lines } = await runSgool(cwd, words, how);
  if (code !== 0) throw new Error(`sgool ${words.join(' ')}: ${lines.join('\n')}`);
  return { content: await contentOf(path.join(cwd, 'out')), milliseconds: performance.now() - started };
}

async function workFolder(root: string): Promise<string> {
  const cwd = path.join(root, String((await readdir(root)).length));
  await mkdir(cwd);
  await writeFile(path.join(cwd, 'disc.png'), encodePng(discImage(1, 128)));
  return cwd;
}

/** Kills a command, and each process that goes on with it, after these times; then lets one end. @returns what is there then */
export async function killed(
  words: readonly string[],
  moments: readonly number[],
  root: string,
  how: Program = {},
  onKilled: (cwd: string) => Promise<unknown> = async () => {},
) {
  const cwd = await workFolder(root);
  for (const milliseconds of moments) {
    await killAfter(cwd, existsSync(path.join(cwd, 'out')) ? ['resume', 'out'] : words, milliseconds, how);
    await onKilled(cwd);
  }
  const { code, lines } = await runSgool(
    cwd,
    existsSync(path.join(cwd, 'out')) ? ['resume', 'out'] : words,
    how,
  );
  if (code !== 0) throw new Error(`sgool resume, after ${moments}: ${lines.join('\n')}`);
  return contentOf(path.join(cwd, 'out'));
}

function killAfter(
  cwd: string,
  words: readonly string[],
  milliseconds: number,
  { program = SGOOL_ARGUMENTS, env = {} }: Program,
): Promise<void> {
  const child = spawn(process.execPath, [...program, ...words], {
    cwd,
    stdio: 'ignore',
    env: { ...process.env, ...env },
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
  return new Promise((resolve) => {
    child.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { kills: { type: 'string' }, seed: { type: 'string' } } });
  const [kills, seed] = [Number(values.kills ?? 50), Number(values.seed ?? Date.now() % 1e6)];
  const random = new Generator(seed);
  const folder = await temporaryFolder();
  const statuses: Record<string, number> = {};
  try {
    let done = 0;
    for (let i = 0; done < kills; i++) {
      const words = KILLED[i % KILLED.length];
      const whole = await undisturbed(words, folder.dir);
      const moments = Array.from(random.rand([Math.min(5, kills - done)]), (share) =>
        Math.round(share * whole.milliseconds),
      );
      const content = await killed(words, moments, folder.dir, {}, async (cwd) => {
        const { stdout } = await runSgool(cwd, ['runs', '.', '--json']);
        for (const { status } of JSON.parse(stdout).runs) statuses[status] = (statuses[status] ?? 0) + 1;
      });
      const names = Object.keys({ ...whole.content, ...content });
      const others = names.filter((name) => whole.content[name] !== content[name]);
      if (others.length > 0) {
        throw new Error(
          `seed ${seed}: sgool ${words.join(' ')}, killed after ${moments} ms, differs in ${others}`,
        );
      }
      done += moments.length;
      process.stderr.write(`${done} of ${kills} kills: the same bytes (${words[0]}, after ${moments} ms)\n`);
    }
    process.stdout.write(`${JSON.stringify({ kills: done, seed, statuses })}\n`);
  } finally {
    await folder.remove();
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) await main();
