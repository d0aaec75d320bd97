/**
 * @file A command in a thread of its own, so that signals are heard while it computes: a call of ONNX Runtime, which makes or runs a
 * network, blocks its thread until it is done, for minutes if the network is large.
 *
 * The main thread owns the process: streams, signals, the working folder. If the thread does not answer a signal in time, the main
 * thread finishes the records of what was running and ends the process.
 */
import { type MessagePort, SHARE_ENV, Worker } from 'node:worker_threads';
import { UserError } from '../errors.ts';
import type { SizeLimit } from '../platform/size-limits.ts';
import { FAILED, STOPPED_BY } from './exit-codes.ts';
import { type EndSignal, type Host, SIGNALS } from './host.ts';
import { machineReason } from './machine-reason.ts';
import { finishRecords } from './run/run-file.ts';
import { readOnce, readStandardInput } from './standard-input.ts';
import { oneLine } from './terminal/format.ts';
import type { Outputs } from './terminal/output.ts';
import { Terminal } from './terminal/terminal.ts';

type StreamName = 'stdout' | 'stderr';

/** What the thread says. */
type FromThread =
  | { readonly kind: 'write'; readonly stream: StreamName; readonly chunk: string | Uint8Array }
  | { readonly kind: 'guard'; readonly record: string }
  | { readonly kind: 'release'; readonly record: string }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question }
  /** The process is to end at once. */
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'ended'; readonly code: number };

/** What only the main thread can do. */
type Question =
  | { readonly kind: 'enter'; readonly folder: string }
  | { readonly kind: 'input'; readonly limit: SizeLimit };

interface Answer {
  readonly kind: 'answer';
  readonly id: number;
  /** The standard input. */
  readonly bytes?: Uint8Array;
  readonly error?: { readonly message: string; readonly exitCode?: number };
}

/** What the thread hears. */
type ToThread =
  | { readonly kind: 'signal'; readonly signal: EndSignal }
  | { readonly kind: 'columns'; readonly stream: StreamName; readonly columns?: number }
  | Answer;

/** What the thread knows from the beginning. */
export interface ThreadData {
  readonly argv: readonly string[];
  readonly streams: Readonly<Record<StreamName, { readonly isTTY: boolean; readonly columns?: number }>>;
}

/** How long a thread may take to end a run after SIGTERM or SIGHUP: those who send them kill after ten seconds. */
const GRACE_MS = 8000;
/** How long it may take to answer the second signal. */
const ANSWER_MS = 1000;
/** How long the end of the process waits for the last lines to be written. */
const FLUSH_MS = 500;

/**
 * Runs a command in a thread.
 *
 * @param entry the module that the thread begins with, which calls {@link inThread}
 * @returns its exit code; where the process has to end before the thread does, the function does not return
 */
export async function runInThread(entry: URL, argv: readonly string[], outputs: Outputs): Promise<number> {
  const guarded = new Set<string>();
  const describe = (stream: StreamName) => ({
    isTTY: outputs[stream].isTTY === true,
    columns: outputs[stream].columns,
  });
  const workerData: ThreadData = {
    argv,
    streams: { stdout: describe('stdout'), stderr: describe('stderr') },
  };
  const stderr = new Terminal(outputs.stderr);
  // Native code reads the environment of the process, not a thread's copy of it: ONNX Runtime looks there whether its telemetry is off.
  const worker = new Worker(entry, { workerData, env: SHARE_ENV });
  const say = (message: ToThread) => worker.postMessage(message);

  let first: EndSignal | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onSignal = (signal: EndSignal) => {
    say({ kind: 'signal', signal });
    const isSecond = first !== undefined;
    first ??= signal;
    // At the first Ctrl-C a person waits, or presses it again.
    if (!isSecond && signal === 'SIGINT') return;
    clearTimeout(timer);
    timer = setTimeout(force, isSecond ? ANSWER_MS : GRACE_MS, first);
  };
  const onResize = () => {
    for (const stream of ['stdout', 'stderr'] as const) {
      say({ kind: 'columns', stream, columns: outputs[stream].columns });
    }
  };

  function force(signal: EndSignal): void {
    finishRecords(guarded, 'stopped');
    stderr.write('sgool: stopped in the middle of a computation; sgool runs shows what is kept\n');
    void endProcess(STOPPED_BY[signal]);
  }

  /** Ends the process although the thread may be in a computation, which `process.exit` would wait for. */
  async function endProcess(code: number): Promise<never> {
    await Promise.race([outputs.finish(code), after(FLUSH_MS)]);
    // The thread may have been about to write, also after it had finished its record.
    finishRecords(guarded, 'stopped');
    if (first !== undefined) {
      for (const signal of SIGNALS) process.off(signal, onSignal);
      // Shells see 128 + n of a process that a signal has ended. The thread is not terminated before: in a native call of ONNX
      // Runtime that aborts the process, with a message of its own.
      process.kill(process.pid, first);
      // The first process of a container is not ended by it.
      await after(ANSWER_MS);
    }
    process.exit(code);
  }

  for (const signal of SIGNALS) process.on(signal, onSignal);
  outputs.onResize(onResize);
  const code = await new Promise<number>((resolve) => {
    worker.on('message', (message: FromThread) => {
      if (message.kind === 'write') outputs[message.stream].write(message.chunk);
      else if (message.kind === 'guard') guarded.add(message.record);
      else if (message.kind === 'release') guarded.delete(message.record);
      else if (message.kind === 'ask') void answer(message, stderr).then(say);
      else if (message.kind === 'exit') void endProcess(message.code);
      else resolve(message.code);
    });
    worker.on('error', (error) => {
      // The thread has run out of memory, or a library has thrown where nobody could catch it.
      const machine = machineReason(error);
      const message = oneLine(machine ?? error.message);
      finishRecords(guarded, 'failed', message);
      stderr.write(`sgool: ${machine === undefined ? 'unexpected error: ' : ''}${message}\n`);
      resolve(FAILED);
    });
    worker.on('exit', () => resolve(FAILED));
  });
  clearTimeout(timer);
  for (const signal of SIGNALS) process.off(signal, onSignal);
  await worker.terminate();
  return code;
}

const after = (milliseconds: number) => new Promise<void>((done) => setTimeout(done, milliseconds));

async function answer(
  { id, question }: Extract<FromThread, { kind: 'ask' }>,
  stderr: Terminal,
): Promise<Answer> {
  try {
    if (question.kind === 'input') {
      return { kind: 'answer', id, bytes: await readStandardInput(stderr, question.limit) };
    }
    process.chdir(question.folder);
    return { kind: 'answer', id };
  } catch (error) {
    const { message } = error as Error;
    return {
      kind: 'answer',
      id,
      error: { message, ...(error instanceof UserError && { exitCode: error.exitCode }) },
    };
  }
}

/** The thread's side: runs `command` with a host whose process is that of the main thread. */
export async function inThread(
  port: MessagePort,
  { streams }: ThreadData,
  command: (host: Host) => Promise<number>,
): Promise<void> {
  const say = (message: FromThread) => port.postMessage(message);
  const listeners = new Set<(signal: EndSignal) => void>();
  const answers = new Map<number, (answer: Answer) => void>();
  const columns = { stdout: streams.stdout.columns, stderr: streams.stderr.columns };
  port.on('message', (message: ToThread) => {
    if (message.kind === 'columns') columns[message.stream] = message.columns;
    else if (message.kind === 'answer') answers.get(message.id)?.(message);
    else if (listeners.size === 0) say({ kind: 'exit', code: STOPPED_BY[message.signal] });
    else for (const listener of [...listeners]) listener(message.signal);
  });
  let asked = 0;
  async function ask(question: Question): Promise<Uint8Array> {
    const id = asked++;
    say({ kind: 'ask', id, question });
    const { bytes = new Uint8Array(), error } = await new Promise<Answer>((resolve) =>
      answers.set(id, resolve),
    );
    answers.delete(id);
    if (error === undefined) return bytes;
    const { message, exitCode } = error;
    throw exitCode === undefined ? new Error(message) : new UserError(message, { exitCode });
  }
  const sink = (stream: StreamName) => ({
    isTTY: streams[stream].isTTY,
    get columns() {
      return columns[stream];
    },
    write: (chunk: string | Uint8Array) => say({ kind: 'write', stream, chunk }),
  });
  const code = await command({
    stdout: new Terminal(sink('stdout')),
    stderr: new Terminal(sink('stderr')),
    env: process.env,
    cwd: process.cwd(),
    onInterrupt(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    readInput: readOnce((limit) => ask({ kind: 'input', limit })),
    enter: async (folder) => {
      await ask({ kind: 'enter', folder });
    },
    guard(record) {
      say({ kind: 'guard', record });
      return () => say({ kind: 'release', record });
    },
    exit: (code) => say({ kind: 'exit', code }),
    now: () => new Date(),
    loadEngine: () => import('./engine.ts').then(({ engine }) => engine),
  });
  say({ kind: 'ended', code });
  port.unref();
}
