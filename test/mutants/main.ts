/**
 * @file `npm run test:mutants`: puts small faults into the sources and counts those that a test notices.
 *
 * The result is kept in `sgool-output/mutants.json`, and a later run goes on from there; what has changed since is tried again.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { EQUIVALENT } from './equivalent/index.ts';
import { type Mutant, mutate } from './mutate.ts';
import { type Answer, PLAN_VARIABLE, type Plan } from './plan.ts';

const root = join(import.meta.dirname, '../..');
const SOURCES = 'packages/sgool/src';
const FOLDERS = ['weights', 'diffusion', 'saliency', 'objectives'];
const RESULTS = 'sgool-output/mutants.json';

const HELP = `Usage: npm run test:mutants -- [options]

  --folder <names>   folders or files of ${SOURCES}, separated by commas (${FOLDERS.join(',')})
  --sample <count>   tries that many mutants, drawn at random (all)
  --seed <number>    of the draw (0)
  --tests <folders>  whose tests are run, in that order: own, all, or names of folders and files, such as own,pipeline (own)
  --again <which>    tries known ones again: survivors, or all
  --results <file>   where results are kept (${RESULTS})
  --stall <seconds>  a mutant that takes longer counts as noticed (60)
  --minimum <share>  exit code 1 if fewer are noticed, in percent (95)
`;

const { values: options } = parseArgs({
  options: {
    folder: { type: 'string', default: FOLDERS.join(',') },
    sample: { type: 'string' },
    seed: { type: 'string', default: '0' },
    tests: { type: 'string', default: 'own' },
    again: { type: 'string' },
    results: { type: 'string', default: RESULTS },
    stall: { type: 'string', default: '60' },
    minimum: { type: 'string', default: '95' },
    help: { type: 'boolean', default: false },
  },
});

const resultsFile = join(root, options.results);

/** What is known about a mutant. */
interface Result {
  readonly status: 'noticed' | 'survived' | 'not reached';
  readonly by?: string;
}

type Results = Record<string, { readonly hash: string; readonly mutants: Record<string, Result> }>;

const keyOf = ({ text, change, nth }: Mutant) => `${text} | ${change} | ${nth}`;
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** Sources below a folder, or the file itself. */
function sourcesOf(folder: string): string[] {
  if (folder.endsWith('.ts')) return [`${SOURCES}/${folder}`];
  return filesBelow(`${SOURCES}/${folder}`).filter(
    (file) => !/(\.test|\/testing)\.ts$|\/testing\//.test(file),
  );
}

/** TypeScript files below a folder, from the root of the repository. */
function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
    .sort();
}

/** Tests that try thousands of files: they come last, because most mutants are noticed by others. */
const SLOW = /\/hostile\.test\.ts$/;

/** Test files in the order of `--tests`. */
function testsFor(folder: string): string[] {
  const all = filesBelow(SOURCES).filter((file) => file.endsWith('.test.ts'));
  const below = (path: string) =>
    all.filter((file) => file === `${SOURCES}/${path}` || file.startsWith(`${SOURCES}/${path}/`));
  const own = below(folder.replace(/\/[^/]*\.ts$/, ''));
  const named = options.tests
    .split(',')
    .flatMap((name) => (name === 'own' ? own : name === 'all' ? [...own, ...all] : below(name)));
  const tests = [...new Set(named)];
  return [...tests.filter((file) => !SLOW.test(file)), ...tests.filter((file) => SLOW.test(file))].map(
    (file) => join(root, file),
  );
}

/** Numbers in [0, 1), the same for the same seed. Reference: mulberry32. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` of the items, each set of that size as likely as any other. */
function drawn<T>(items: readonly T[], count: number, seed: number): T[] {
  const random = randomNumbers(seed);
  const rest = [...items];
  return Array.from(
    { length: Math.min(count, rest.length) },
    () => rest.splice(Math.floor(random() * rest.length), 1)[0],
  );
}

/** The 95% interval of a share. Reference: Wilson 1927. */
function interval(hits: number, count: number): [number, number] {
  const z = 1.96;
  const share = hits / count;
  const middle = (share + z ** 2 / (2 * count)) / (1 + z ** 2 / count);
  const half =
    (z / (1 + z ** 2 / count)) * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
const say = (text: string) => process.stdout.write(`${text}\n`);

const equivalent = new Set(
  EQUIVALENT.flatMap(({ file, mutants }) =>
    mutants.map(([text, change, nth]) => `${SOURCES}/${file} | ${text} | ${change} | ${nth}`),
  ),
);
const isEquivalent = (mutant: Mutant): boolean => equivalent.has(`${mutant.file} | ${keyOf(mutant)}`);

function readResults(): Results {
  return existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, 'utf8')) : {};
}

function writeResults(results: Results): void {
  mkdirSync(dirname(resultsFile), { recursive: true });
  writeFileSync(`${resultsFile}.new`, JSON.stringify(results, null, 1));
  renameSync(`${resultsFile}.new`, resultsFile);
}

/** A test file without a mutant may take this many times longer than one mutant. */
const FILE_PATIENCE = 10;

/** Runs sessions until every mutant has its answer. A session that stands still is ended; its mutant counts as noticed. */
async function runSessions(plan: Plan, known: (id: number, result: Result) => void): Promise<void> {
  const planFile = `${plan.answers}.plan`;
  const alive = new Set(plan.mutants.map(({ id }) => id));
  const reached = new Set<number>();
  let resume: { test: number; tried: number[] } = { test: 0, tried: [] };
  let total = 0;
  for (let done = false; !done; ) {
    writeFileSync(plan.answers, '');
    writeFileSync(planFile, JSON.stringify({ ...plan, mutants: [...alive].map((id) => ({ id })), resume }));
    let seen = 0;
    let trying: number | undefined;
    let begun: number | undefined;
    let latest = Date.now();
    const take = () => {
      const lines = readFileSync(plan.answers, 'utf8').split('\n').slice(0, -1);
      for (const line of lines.slice(seen)) {
        const answer: Answer = JSON.parse(line);
        latest = Date.now();
        if (answer.kind === 'done') done = true;
        else if (answer.kind === 'begin') begun = answer.test;
        else if (answer.kind === 'file') {
          if (answer.test !== resume.test) resume = { test: answer.test, tried: [] };
          total = answer.reached.length;
          for (const id of answer.reached) reached.add(id);
          say(`${relative(root, plan.tests[answer.test])}: ${total} mutants`);
          if (answer.failing.length > 0)
            say(`  fails without a mutant, left out: ${answer.failing.join('; ')}`);
        } else if (answer.kind === 'try') trying = answer.id;
        else {
          trying = undefined;
          resume.tried.push(answer.id);
          if (answer.by !== null) {
            alive.delete(answer.id);
            known(answer.id, { status: 'noticed', by: answer.by });
          }
        }
      }
      seen = lines.length;
    };
    const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'child.ts')], {
      cwd: root,
      env: { ...process.env, [PLAN_VARIABLE]: planFile },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    let errors = '';
    child.stderr?.on('data', (data) => (errors = `${errors}${data}`.slice(-2000)));
    const stalled = await new Promise<boolean>((resolve) => {
      const timer = setInterval(() => {
        take();
        // A whole file takes longer than the tests that reach one mutant.
        const patience = trying === undefined ? FILE_PATIENCE : 1;
        if (Date.now() - latest < 1000 * patience * Number(options.stall)) return;
        clearInterval(timer);
        stop(child);
        resolve(true);
      }, 500);
      child.on('exit', () => {
        clearInterval(timer);
        resolve(false);
      });
    });
    take();
    if (trying !== undefined) {
      // It hung, or took the process with it.
      alive.delete(trying);
      resume.tried.push(trying);
      known(trying, { status: 'noticed', by: stalled ? 'no end' : 'end of the process' });
    } else if (!done) {
      if (begun === undefined) throw new Error(`The session ended at once: ${errors}`);
      const how = stalled ? 'has no end' : `ends the process (${errors.trim().split('\n').at(-1)})`;
      say(`${relative(root, plan.tests[begun])}: ${how} without a mutant, left out`);
      resume = { test: begun + 1, tried: [] };
    }
  }
  for (const id of alive) known(id, { status: reached.has(id) ? 'survived' : 'not reached' });
  rmSync(plan.answers);
  rmSync(planFile);
}

/** Ends a session with its workers. */
function stop(child: ChildProcess): void {
  if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
}

async function main(): Promise<number> {
  if (options.help) {
    say(HELP);
    return 0;
  }
  const folders = options.folder.split(',');
  const results = readResults();
  const files: Plan['files'][number][] = [];
  let firstId = 1;
  const all: { readonly mutant: Mutant; readonly folder: string }[] = [];
  for (const folder of folders) {
    for (const file of sourcesOf(folder)) {
      const text = readFileSync(join(root, file), 'utf8');
      const { mutants } = mutate(file, text, firstId);
      files.push({ file, firstId });
      firstId += mutants.length;
      all.push(...mutants.filter((mutant) => !isEquivalent(mutant)).map((mutant) => ({ mutant, folder })));
      const hash = hashOf(text);
      if (results[file]?.hash !== hash) results[file] = { hash, mutants: {} };
    }
  }
  const chosen = options.sample ? drawn(all, Number(options.sample), Number(options.seed)) : all;
  const isDone = (mutant: Mutant) => {
    const status = results[mutant.file].mutants[keyOf(mutant)]?.status;
    if (status === undefined || options.again === 'all') return false;
    return status === 'noticed' || options.again !== 'survivors';
  };

  for (const folder of folders) {
    const todo = chosen
      .filter((item) => item.folder === folder && !isDone(item.mutant))
      .map(({ mutant }) => mutant);
    if (todo.length === 0) continue;
    say(`${folder}: ${todo.length} mutants to try`);
    const byId = new Map(todo.map((mutant) => [mutant.id, mutant]));
    let latest = Date.now();
    const plan: Plan = {
      files,
      tests: testsFor(folder),
      mutants: todo.map(({ id }) => ({ id })),
      answers: join(root, `sgool-output/mutants-${process.pid}.jsonl`),
      resume: { test: 0, tried: [] },
    };
    mkdirSync(dirname(plan.answers), { recursive: true });
    await runSessions(plan, (id, result) => {
      const mutant = byId.get(id);
      if (mutant) results[mutant.file].mutants[keyOf(mutant)] = result;
      if (Date.now() - latest > 5000) {
        writeResults(results);
        latest = Date.now();
      }
    });
    writeResults(results);
  }

  return report(folders, chosen, all.length, results);
}

/** Prints survivors and scores. */
function report(
  folders: readonly string[],
  chosen: readonly { readonly mutant: Mutant; readonly folder: string }[],
  total: number,
  results: Results,
): number {
  const resultOf = (mutant: Mutant) => results[mutant.file].mutants[keyOf(mutant)]?.status;
  for (const { mutant } of chosen) {
    const status = resultOf(mutant);
    if (status === 'noticed') continue;
    say(`${mutant.file}:${mutant.line} ${status}: ${mutant.change}`);
  }
  const score = (name: string, items: typeof chosen) => {
    const noticed = items.filter(({ mutant }) => resultOf(mutant) === 'noticed').length;
    const [low, high] = interval(noticed, items.length);
    say(
      `${name.padEnd(12)} ${noticed} of ${items.length} noticed: ${percent(noticed / items.length)} (95% interval ${percent(low)} to ${percent(high)})`,
    );
    return noticed / items.length;
  };
  say('');
  for (const folder of folders) {
    const items = chosen.filter((item) => item.folder === folder);
    if (items.length > 0) score(folder, items);
  }
  const share = score('all', chosen);
  if (chosen.length < total) say(`a sample of ${total} mutants, seed ${options.seed}`);
  return 100 * share >= Number(options.minimum) ? 0 : 1;
}

process.exitCode = await main();
