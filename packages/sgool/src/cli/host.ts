/** @file What the command line needs from the process around it; tests replace it. */

import type { Engine } from './engine.ts';
import { type ReadInput, readOnce, readStandardInput } from './standard-input.ts';
import { type Sink, Terminal } from './terminal/terminal.ts';

export interface Host {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths start from. */
  readonly cwd: string;
  /** Calls back at each Ctrl-C or request to end; returns a function that removes the listener. */
  onInterrupt(listener: (signal: EndSignal) => void): () => void;
  /** The whole standard input. */
  readonly readInput: ReadInput;
  /** Makes a folder the one that relative paths start from, for what reads models. @throws where it cannot be entered */
  enter(folder: string): Promise<void>;
  /**
   * Names the record of something that runs. If the process has to end while a computation cannot be interrupted, the record is
   * finished all the same. Returns a function to call when the record is finished.
   */
  guard(record: string): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
  now(): Date;
  loadEngine(): Promise<Engine>;
}

/** Ctrl-C, the request to end, the terminal that is gone. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type EndSignal = (typeof SIGNALS)[number];

/** The host of the real process, for commands that compute in its main thread. */
export function processHost(outputs: { readonly stdout: Sink; readonly stderr: Sink }): Host {
  const stderr = new Terminal(outputs.stderr);
  return {
    stdout: new Terminal(outputs.stdout),
    stderr,
    env: process.env,
    cwd: process.cwd(),
    onInterrupt(listener) {
      for (const signal of SIGNALS) process.on(signal, listener);
      return () => {
        for (const signal of SIGNALS) process.off(signal, listener);
      };
    },
    readInput: readOnce((limit) => readStandardInput(stderr, limit)),
    enter: async (folder) => process.chdir(folder),
    guard: () => () => {},
    exit: (code) => process.exit(code),
    now: () => new Date(),
    loadEngine: () => import('./engine.ts').then(({ engine }) => engine),
  };
}
