/**
 * @file Trains one stage: a program takes a batch and the flat weights and returns the next weights. Its loop can be killed at any
 * time and resumes from the last checkpoint.
 */

import path from 'node:path';
import {
  type AdamWState,
  type Arrays,
  adamW,
  clipByGlobalNorm,
  compile,
  concat,
  constant,
  exponentialMovingAverage,
  type Graph,
  grad,
  input,
  mul,
  muon,
  ParameterLayout,
  type Program,
  reshape,
  type Shape,
  slice,
  type Tensor,
  type TensorSpec,
  type TypedArray,
  trace,
  type Weights,
} from '@sgool/autodiff';
import { type BatchGenerator, batchGenerator } from './batch-generator.ts';
import { loadCheckpoint, saveCheckpoint, type TrainingState } from './checkpoint.ts';
import type { NamedWeights } from './export.ts';
import { decayMask, type Initialiser, initialise, recordingWeights } from './parameters.ts';
import type { Progress } from './progress.ts';

/** Scalars by name, e.g. the parts of a loss. */
export type Metrics = Readonly<Record<string, number>>;

export interface StageOptimiser {
  readonly steps: number;
  /** Highest learning rate; warmed up linearly, then lowered along a cosine to `finalShare` of it. */
  readonly learningRate: number;
  readonly warmup?: number;
  readonly finalShare?: number;
  /** The rate stays at its highest and falls in this many last steps only. Default: it falls from the end of the warm-up on. */
  readonly decaySteps?: number;
  readonly weightDecay?: number;
  readonly beta2?: number;
  /** Largest norm of the gradient over all weights. */
  readonly maxNorm?: number;
  /** Matrices and kernels that Muon trains, and its highest learning rate; AdamW trains the others. */
  readonly muon?: { readonly select: (name: string, shape: Shape) => boolean; readonly learningRate: number };
  /** Decay of the moving average of the weights that is exported. */
  readonly emaDecay?: number;
}

export interface Stage {
  readonly name: string;
  readonly seed: number;
  /** What a batch holds. */
  readonly inputs: Readonly<Record<string, TensorSpec>>;
  /** The program of one step; `loss` is minimised, all outputs are logged. */
  readonly objective: (
    weights: Weights,
    inputs: Readonly<Record<string, Tensor>>,
  ) => { loss: Tensor } & Record<string, Tensor>;
  readonly optimiser: StageOptimiser;
  readonly initialise?: Initialiser;
  /** Prepares the data, and may store it in `folder`. Not called when there is nothing left to train. */
  readonly prepare?: (folder: string) => Promise<void>;
  /** The batch of a step. It depends on `generator` only, seeded by stage seed and step, so a resumed run has the same batches. */
  readonly batch: (generator: BatchGenerator, step: number) => Arrays;
  /** Figures on held-out data with the averaged weights. */
  readonly validate?: (
    weights: Map<string, { shape: readonly number[]; data: Float32Array }>,
  ) => Promise<Metrics>;
  readonly validateEvery?: number;
}

/** Weights and progress of an earlier training. Weights that it lacks get fresh start values. */
export interface WarmStart extends Pick<TrainingState, 'step' | 'seconds' | 'history'> {
  readonly weights: NamedWeights;
}

export interface TrainOptions {
  /** Folder for checkpoints and curves. */
  readonly folder: string;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
  readonly checkpointSeconds?: number;
  readonly threads?: number;
  /** Overrides the stage's number of steps. */
  readonly steps?: number;
  /** Published weights, without their moments, to start from when the folder has no checkpoint. */
  readonly warmStart?: WarmStart;
}

export interface TrainResult {
  readonly layout: ParameterLayout;
  /** Averaged weights. */
  readonly weights: Map<string, { shape: readonly number[]; data: Float32Array }>;
  readonly step: number;
  readonly seconds: number;
  readonly finished: boolean;
  readonly history: TrainingState['history'];
}

/** Learning rate at `step` (from 0): linear warm-up, perhaps a flat part, then a cosine. */
export function learningRateAt(step: number, steps: number, o: StageOptimiser): number {
  const warmup = o.warmup ?? Math.min(200, steps / 20);
  if (step < warmup) return (o.learningRate * (step + 1)) / warmup;
  const start = o.decaySteps === undefined ? warmup : Math.max(warmup, steps - o.decaySteps);
  const share = Math.min(1, Math.max(0, step - start) / Math.max(1, steps - start));
  const low = o.finalShare ?? 0.05;
  return o.learningRate * (low + (1 - low) * 0.5 * (1 + Math.cos(Math.PI * share)));
}

/** One step of AdamW, or of Muon on the layout's matrices and AdamW on the rest; Muon's momentum is in `first`. */
function update(
  { learningRate: highest, weightDecay = 0.01, beta2 = 0.99, muon: matrices }: StageOptimiser,
  layout: ParameterLayout,
  state: AdamWState,
  gradient: Tensor,
  {
    learningRate,
    correction1,
    correction2,
  }: Readonly<Record<'learningRate' | 'correction1' | 'correction2', Tensor>>,
): AdamWState {
  const decayed = decayMask(layout);
  const part = (t: Tensor, offset: number, size: number) =>
    offset === 0 && size === layout.total ? t : slice(t, [{ axis: 0, start: offset, end: offset + size }]);
  const steps: AdamWState[] = layout.stacks.map(({ offset, size, shape }) => {
    const stack = (t: Tensor) => reshape(part(t, offset, size), shape);
    const next = muon(
      { parameters: stack(state.parameters), momentum: stack(state.first) },
      stack(gradient),
      mul(learningRate, (matrices?.learningRate ?? highest) / highest),
      { weightDecay },
    );
    return {
      parameters: reshape(next.parameters, [size]),
      first: reshape(next.momentum, [size]),
      second: part(state.second, offset, size),
    };
  });
  const start = layout.stacks.reduce((total, { size }) => total + size, 0);
  const rest = (t: Tensor) => part(t, start, layout.total - start);
  steps.push(
    adamW(
      { parameters: rest(state.parameters), first: rest(state.first), second: rest(state.second) },
      rest(gradient),
      learningRate,
      correction1,
      correction2,
      {
        weightDecay,
        beta2,
        epsilon: 1e-8,
        decayMask: constant({
          dtype: 'float32',
          shape: [layout.total - start],
          data: decayed.subarray(start),
        }),
      },
    ),
  );
  const whole = (name: keyof AdamWState) =>
    steps.length === 1
      ? steps[0][name]
      : concat(
          steps.map((s) => s[name]),
          0,
        );
  return { parameters: whole('parameters'), first: whole('first'), second: whole('second') };
}

function stepGraph(stage: Stage, layout: ParameterLayout): Graph {
  const { maxNorm = 1 } = stage.optimiser;
  return trace({ ...stage.inputs }, (batch) => {
    const flat = (name: string) => input(name, [layout.total]);
    const number = (name: string) => input(name, []);
    const parameters = flat('parameters');
    const { loss, ...metrics } = stage.objective(layout.weights(parameters), batch);
    const [gradient] = grad(loss, [parameters]);
    const { clipped, norm } = clipByGlobalNorm([gradient], maxNorm);
    const next = update(
      stage.optimiser,
      layout,
      { parameters, first: flat('first'), second: flat('second') },
      clipped[0],
      {
        learningRate: number('learningRate'),
        correction1: number('correction1'),
        correction2: number('correction2'),
      },
    );
    const average = exponentialMovingAverage(flat('average'), next.parameters, number('emaDecay'));
    const logged = Object.entries({ loss, norm, ...metrics });
    return {
      ...next,
      average,
      log: concat(
        logged.map(([, t]) => reshape(t, [1])),
        0,
      ),
    };
  });
}

/** The weights that a stage's objective requests and the figures that it logs, from one trace. */
export function inspectStage(stage: Stage): { layout: ParameterLayout; names: string[] } {
  const shapes = new Map<string, Shape>();
  const { outputs } = trace({ ...stage.inputs }, (batch) => stage.objective(recordingWeights(shapes), batch));
  const metrics = [...outputs.keys()].filter((name) => name !== 'loss');
  const layout = new ParameterLayout(shapes, stage.optimiser.muon?.select);
  return { layout, names: ['loss', 'norm', ...metrics] };
}

function freshState(stage: Stage, layout: ParameterLayout, warm?: WarmStart): TrainingState {
  const parameters = initialise(
    layout,
    batchGenerator(stage.seed),
    (...slot) => warm?.weights.get(slot[0])?.data ?? stage.initialise?.(...slot),
  );
  const zeros = () => new Float32Array(layout.total);
  const { step = 0, seconds = 0, history = [] } = warm ?? {};
  return { step, seconds, history, parameters, first: zeros(), second: zeros(), average: parameters.slice() };
}

const STATE = ['parameters', 'first', 'second', 'average'] as const;

/** Trains a stage until its steps are done or `signal` is aborted; saves a checkpoint in both cases. */
export async function train(stage: Stage, options: TrainOptions): Promise<TrainResult> {
  const { folder, progress, signal, checkpointSeconds = 180, threads } = options;
  const steps = options.steps ?? stage.optimiser.steps;
  const { layout, names } = inspectStage(stage);
  const program: Program = await compile(stepGraph(stage, layout), { threads });
  const file = path.join(folder, `${stage.name}.checkpoint.safetensors`);

  const state = (await loadCheckpoint(file, layout)) ?? freshState(stage, layout, options.warmStart);
  if (state.step > 0) progress.note(`${stage.name}: resuming from step ${state.step} of ${steps}`);
  progress.note(
    `${stage.name}: ${layout.total} weights in ${layout.slots.length} tensors, ${program.nodeCount} nodes`,
  );

  if (state.step < steps) await stage.prepare?.(folder);

  // The program reads one set of arrays and writes the other; they swap after every step.
  const spare = Object.fromEntries(STATE.map((name) => [name, new Float32Array(layout.total)])) as Record<
    (typeof STATE)[number],
    Float32Array
  >;
  const log = new Float32Array(names.length);
  let saved = Date.now();
  let window: number[][] = [];
  const { beta2 = 0.99, emaDecay = 0.999 } = stage.optimiser;
  try {
    while (state.step < steps && !signal?.aborted) {
      const started = performance.now();
      const { step } = state;
      const batch = stage.batch(batchGenerator(stage.seed * 1_000_003 + step + 1), step);
      const scalarOf = (value: number): TypedArray => Float32Array.of(value);
      await program.run(
        {
          ...batch,
          parameters: state.parameters,
          first: state.first,
          second: state.second,
          average: state.average,
          learningRate: scalarOf(learningRateAt(step, steps, stage.optimiser)),
          correction1: scalarOf(1 - 0.9 ** (step + 1)),
          correction2: scalarOf(1 - beta2 ** (step + 1)),
          emaDecay: scalarOf(Math.min(emaDecay, (1 + step) / (10 + step))),
        },
        { ...spare, log },
      );
      if (!Number.isFinite(log[0])) {
        throw new Error(
          `train ${stage.name}: the loss became ${log[0]} at step ${step}; the last checkpoint is kept`,
        );
      }
      for (const name of STATE) {
        const previous: Float32Array = state[name];
        state[name] = spare[name];
        spare[name] = previous;
      }
      state.step = step + 1;
      state.seconds += (performance.now() - started) / 1000;
      window.push([...log]);
      const means = Object.fromEntries(
        names.map((name, i) => [name, window.reduce((total, row) => total + row[i], 0) / window.length]),
      );
      progress.step(stage.name, state.step, steps, means);

      const due = stage.validateEvery && state.step % stage.validateEvery === 0;
      if (due || state.step === steps) {
        const held = stage.validate ? await stage.validate(layout.views(state.average)) : {};
        state.history.push({ step: state.step, seconds: state.seconds, train: means, held });
        progress.validated(stage.name, state.step, { ...means, ...held });
        window = [];
      }
      if (window.length > 200) window.shift();
      if (Date.now() - saved > checkpointSeconds * 1000) {
        await saveCheckpoint(file, state);
        saved = Date.now();
      }
      // The program runs on this thread: without a pause neither signals nor timers would be handled.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    await saveCheckpoint(file, state);
    await program.dispose();
  }
  return {
    layout,
    weights: layout.views(state.average),
    step: state.step,
    seconds: state.seconds,
    finished: state.step >= steps,
    history: state.history,
  };
}
