/** @file A process that runs one workload, ours or a peer's: starts it, requests runs one by one, and reads the answers. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { RunAnswer, RunRequest, Workload } from './workload.ts';

export type Program = 'ours' | 'peer';

export interface Contender {
  readonly program: Program;
  readonly workload: Workload;
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The command of each program; the workload is its last argument. */
const COMMANDS = {
  ours: () => [process.execPath, ...process.execArgv, here('serve.ts')],
  peer: (python: string) => [python, here('../peers/serve.py')],
};

/** A workload that is ready to run. */
export class BenchProcess {
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private readonly lines: AsyncIterator<string>;
  private readonly errors: string[] = [];
  /** How the process ended. */
  private readonly ended: Promise<string>;

  private constructor({ program, workload }: Contender, python: string) {
    const [command, ...args] = COMMANDS[program](python);
    this.child = spawn(command, [...args, JSON.stringify(workload)], {
      stdio: 'pipe',
      env: { ...process.env, OMP_NUM_THREADS: String(workload.threads) },
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => this.errors.push(text));
    // A process that is gone is noticed by its missing answer.
    this.child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.child.on('error', ({ message }) => resolve(message));
      this.child.on('close', (code, signal) => resolve(`ended with ${signal ?? code}`));
    });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /**
   * Starts the process and waits until its workload is prepared.
   *
   * @throws Error with the last error that the program printed, where it does not start
   */
  static async start(contender: Contender, python = ''): Promise<BenchProcess> {
    const process = BenchProcess.spawn(contender, python);
    await process.ready();
    return process;
  }

  /** Starts the process. `ready` says when its workload is prepared; it may be stopped before. */
  static spawn(contender: Contender, python = ''): BenchProcess {
    return new BenchProcess(contender, python);
  }

  /** @throws Error with the last error that the program printed, where it does not start */
  async ready(): Promise<void> {
    await this.answer();
  }

  get pid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error('BenchProcess: the process did not start');
    return pid;
  }

  async run(request: RunRequest): Promise<RunAnswer> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    return JSON.parse(await this.answer()) as RunAnswer;
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  private async answer(): Promise<string> {
    const { done, value } = await this.lines.next();
    if (!done) return value;
    const end = await this.ended;
    const lines = this.errors.join('').trim().split('\n');
    throw new Error(lines.findLast((line) => /^\w*Error\b/.test(line)) ?? end);
  }
}
