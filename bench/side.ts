/** @file The other end of a side: starts its process, asks for runs one by one, and reads what comes back. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { RunAnswer, RunRequest, Work } from './work.ts';

export type Program = 'ours' | 'peer';

export interface Contender {
  readonly program: Program;
  readonly work: Work;
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The words that start a program; the work comes after them. */
const COMMANDS = {
  ours: () => [process.execPath, ...process.execArgv, here('ours.ts')],
  peer: (python: string) => [python, here('peers/serve.py')],
};

/** A work that is ready to be run. */
export class Side {
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private readonly lines: AsyncIterator<string>;
  private readonly complaints: string[] = [];
  /** How the process ended. */
  private readonly ended: Promise<string>;

  private constructor({ program, work }: Contender, python: string) {
    const [command, ...words] = COMMANDS[program](python);
    this.child = spawn(command, [...words, JSON.stringify(work)], {
      stdio: 'pipe',
      env: { ...process.env, OMP_NUM_THREADS: String(work.threads) },
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => this.complaints.push(text));
    // A process that is gone is noticed by its missing answer.
    this.child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.child.on('error', ({ message }) => resolve(message));
      this.child.on('close', (code, signal) => resolve(`ended with ${signal ?? code}`));
    });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /**
   * Starts its process and waits until the work is prepared.
   *
   * @throws Error with the program's own last words where it does not come up
   */
  static async start(contender: Contender, python = ''): Promise<Side> {
    const side = new Side(contender, python);
    await side.answer();
    return side;
  }

  get pid(): number {
    return this.child.pid!;
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
    const lines = this.complaints.join('').trim().split('\n');
    throw new Error(lines.findLast((line) => /^\w*Error\b/.test(line)) ?? end);
  }
}
