/** @file What the command line needs from the process around it; tests replace it. */

import type { Engine } from './engine.ts';
import { type ReadInput, readOnce, readStream } from './standard-input.ts';
import { Terminal } from './terminal/terminal.ts';

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
  /** Ends the process at once. */
  exit(code: number): void;
  now(): Date;
  loadEngine(): Promise<Engine>;
}

/** Ctrl-C, the request to end, the terminal that is gone. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type EndSignal = (typeof SIGNALS)[number];

/** The host of the real process. */
export function processHost(): Host {
  const stderr = new Terminal(process.stderr);
  return {
    stdout: new Terminal(process.stdout),
    stderr,
    env: process.env,
    cwd: process.cwd(),
    onInterrupt(listener) {
      for (const signal of SIGNALS) process.on(signal, listener);
      return () => {
        for (const signal of SIGNALS) process.off(signal, listener);
      };
    },
    readInput: readOnce((limit) => {
      if (process.stdin.isTTY) stderr.write('sgool: reading the standard input; end it with Ctrl-D\n');
      return readStream(process.stdin, 'the standard input', limit);
    }),
    exit: (code) => process.exit(code),
    now: () => new Date(),
    loadEngine: () => import('./engine.ts').then(({ engine }) => engine),
  };
}
