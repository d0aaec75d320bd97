/** @file What the command line needs from the process around it; tests replace it. */
import { text } from 'node:stream/consumers';
import type { Engine } from './engine.ts';

/** A stream that text is written to. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Width of the terminal in characters. */
  readonly columns?: number;
}

export interface Host {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths start from. */
  readonly cwd: string;
  /** Calls back at each Ctrl-C or request to end; returns a function that removes the listener. */
  onInterrupt(listener: (signal: EndSignal) => void): () => void;
  /** The whole standard input. */
  readInput(): Promise<string>;
  /** Makes a folder the one that relative paths start from, for what reads models. @throws where it cannot be entered */
  enter(folder: string): void;
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
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    onInterrupt(listener) {
      for (const signal of SIGNALS) process.on(signal, listener);
      return () => {
        for (const signal of SIGNALS) process.off(signal, listener);
      };
    },
    readInput: () => text(process.stdin),
    enter: (folder) => process.chdir(folder),
    exit: (code) => process.exit(code),
    now: () => new Date(),
    loadEngine: () => import('./engine.ts').then(({ engine }) => engine),
  };
}
