/** @file What the command line needs from the machine around it; tests put their own in its place. */
import type { RefineMethod } from '../methods/edit/refine.ts';
import type { EstimateOptions, RunEstimate } from '../methods/estimate.ts';
import type { Method } from '../methods/run/method.ts';
import type { LoadOptions } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { RefineSource } from '../request/refine-request.ts';
import type { MethodName } from '../request/request.ts';
import type { Compute, ComputeOptions } from '../runtime/compute.ts';

/** Where text goes. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Width of the terminal in characters. */
  readonly columns?: number;
}

/** The part of the library that needs networks, loaded by the commands that run them. */
export interface Engine {
  readonly methods: Readonly<Record<MethodName, Method>>;
  /** The method that begins with an image. */
  refinement(source: RefineSource): RefineMethod;
  /** What programs beside a pipeline run on. @throws UserError where that does not work here */
  chooseCompute(options: ComputeOptions): Promise<Compute>;
  /** @throws UserError when the model is unknown or broken, or the device does not work here */
  openPipeline(model: string, options: LoadOptions): Promise<Pipeline>;
  /** What a run will take. @throws UserError where the run would */
  estimate?(model: string, options: LoadOptions, run: Omit<EstimateOptions, 'open'>): Promise<RunEstimate>;
}

export interface Host {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths start from. */
  readonly cwd: string;
  /** Calls back at each Ctrl-C or request to end; returns what takes the listener off again. */
  onInterrupt(listener: () => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
  now(): Date;
  loadEngine(): Promise<Engine>;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** The real thing. */
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
    exit: (code) => process.exit(code),
    now: () => new Date(),
    loadEngine: () => import('./engine.ts').then(({ engine }) => engine),
  };
}
