/**
 * @file `npm run fuzz`: damages files of every kind and gives them to sgool's readers, in a process of their own.
 *
 * A reader must read a file or refuse it in one line. A crash, another error, a hang and a heap of memory are findings: the file is
 * kept in `sgool-output/fuzz`, and goes into `corpus/<door>` when it is mended, so that it is tried in every run of the tests.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Seed } from './door.ts';
import { DOORS } from './doors.ts';
import { Mutator } from './mutator.ts';
import { damaged } from './try-door.ts';
import type { Case, Outcome } from './worker.ts';

const HELP = `Usage: npm run fuzz -- [options]

  --minutes <number>  stops after that time (10)
  --cases <count>     stops after that many files
  --door <names>      only these: ${Object.keys(DOORS).join(', ')}
  --seed <number>     of the damages (the time, so that every run tries others)
  --seconds <number>  a file that takes longer is a finding (5)
  --megabytes <count> a process that holds more is a finding (500)
`;

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    cases: { type: 'string' },
    door: { type: 'string', default: Object.keys(DOORS).join(',') },
    seed: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '500' },
    help: { type: 'boolean', default: false },
  },
});

const OUT = join(import.meta.dirname, '../../../../sgool-output/fuzz');
const LIMIT = 1e6 * Number(options.megabytes);
const say = (text: string) => process.stdout.write(`${text}\n`);

/** A process that tries cases; it is replaced when it has died or has been ended. */
class Worker {
  private child: ChildProcess | undefined;

  /** How a case ends. @param seconds after which the process is ended */
  async run(one: Case, seconds: number): Promise<Outcome> {
    const child = (this.child ??= await this.start());
    const answer = this.answer(child, seconds);
    child.send(one);
    const outcome = await answer;
    if (outcome.peak > LIMIT || !child.connected) this.stop();
    return outcome;
  }

  stop(): void {
    this.child?.disconnect?.();
    this.child = undefined;
  }

  private async start(): Promise<ChildProcess> {
    const child = fork(join(import.meta.dirname, 'worker.ts'), {
      execArgv: [
        '--import',
        import.meta.resolve('tsx'),
        '--conditions',
        '@sgool/source',
        '--max-old-space-size=512',
      ],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const ready = await this.answer(child, 120);
    if (ready.problem) throw new Error(ready.problem);
    return child;
  }

  private answer(child: ChildProcess, seconds: number): Promise<Outcome> {
    return new Promise((resolve) => {
      let errors = '';
      const note = (data: unknown) => (errors = `${errors}${data}`.slice(-3000));
      const end = (outcome: Outcome) => {
        clearTimeout(timer);
        child.removeAllListeners();
        child.stderr?.removeListener('data', note);
        if (outcome.problem?.startsWith('ended') || outcome.problem?.startsWith('no end'))
          this.child = undefined;
        resolve(outcome);
      };
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        end({ problem: `no end within ${seconds} s`, peak: 0 });
      }, 1000 * seconds);
      child.stderr?.on('data', note);
      child.on('message', (outcome) => end(outcome as Outcome));
      child.on('exit', (code, signal) =>
        end({ problem: `ended the process (${signal ?? code}): ${errors}`, peak: 0 }),
      );
    });
  }
}

async function main(): Promise<number> {
  if (options.help) {
    say(HELP);
    return 0;
  }
  const names = options.door.split(',');
  const unknown = names.filter((name) => !Object.hasOwn(DOORS, name));
  if (unknown.length > 0) {
    say(`no door ${unknown.join(', ')}; the doors are ${Object.keys(DOORS).join(', ')}`);
    return 2;
  }
  const seed = Number(options.seed ?? Date.now() % 2 ** 31);
  const end = Date.now() + 60_000 * Number(options.minutes);
  const count = options.cases === undefined ? Number.POSITIVE_INFINITY : Number(options.cases);
  mkdirSync(OUT, { recursive: true });
  const file = join(OUT, `case-${process.pid}`);
  const seeds = new Map<string, Seed[]>();
  for (const name of names) seeds.set(name, await DOORS[name].seeds());
  const mutators = new Map(names.map((name, i) => [name, new Mutator(seed + 1000 * i)]));
  const worker = new Worker();
  const kinds = new Map<string, number>();
  let tried = 0;
  let most = 0;
  say(`seed ${seed}`);
  for (; tried < count && (options.cases !== undefined || Date.now() < end); tried++) {
    const name = names[tried % names.length];
    const [door, own, mutator] = [DOORS[name], seeds.get(name) ?? [], mutators.get(name)];
    if (mutator === undefined) continue;
    const index = mutator.below(own.length);
    const bytes = damaged(door, own[index], mutator);
    writeFileSync(file, bytes);
    const one: Case = { door: name, seed: String(index), file };
    const outcome = await worker.run(one, Number(options.seconds));
    let problem =
      outcome.problem ?? (outcome.peak > LIMIT ? `held ${Math.round(outcome.peak / 1e6)} MB` : undefined);
    if (problem !== undefined && /^(no end|held)/.test(problem)) problem = await again(one);
    if (outcome.peak <= LIMIT) most = Math.max(most, outcome.peak);
    if (problem === undefined) continue;
    // The same fault counts once, by its first line and the place it was thrown at.
    const kind = `${name}: ${problem.split('\n').slice(0, 2).join(' ').replaceAll(/\d+/g, '#').slice(0, 200)}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    if (kinds.get(kind) !== 1) continue;
    const kept = join(
      OUT,
      `${name.replaceAll(' ', '-')}-${seed}-${tried}-${own[index].name.replaceAll('/', '-')}`,
    );
    writeFileSync(kept, bytes);
    say(
      `${name}, case ${tried} (${own[index].name}): ${problem.split('\n').slice(0, 4).join('\n  ')}\n  ${kept}`,
    );
  }
  worker.stop();
  rmSync(file, { force: true });
  say(`${tried} files, ${kinds.size} findings, at most ${Math.round(most / 1e6)} MB`);
  for (const [kind, times] of kinds) say(`  ${times} times ${kind}`);
  return kinds.size === 0 ? 0 : 1;
}

/** Tries a case in a fresh process: another program may have kept the machine busy, or an earlier case the memory. */
async function again(one: Case): Promise<string | undefined> {
  const worker = new Worker();
  const { problem, peak } = await worker.run(one, Number(options.seconds));
  worker.stop();
  return problem ?? (peak > LIMIT ? `held ${Math.round(peak / 1e6)} MB` : undefined);
}

process.exitCode = await main();
