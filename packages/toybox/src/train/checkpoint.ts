/** @file The state that a killed training resumes from, in one safetensors file that is replaced atomically. */

import { existsSync } from 'node:fs';
import type { ParameterLayout } from '@sgool/autodiff';
import { openSafetensors, readTensor } from 'sgool/networks';
import { writeSafetensors } from 'sgool/node';

export interface HistoryEntry {
  readonly step: number;
  readonly seconds: number;
  readonly train: Readonly<Record<string, number>>;
  readonly held: Readonly<Record<string, number>>;
}

export interface TrainingState {
  step: number;
  /** Time spent in steps, over all runs. */
  seconds: number;
  parameters: Float32Array;
  first: Float32Array;
  second: Float32Array;
  average: Float32Array;
  history: HistoryEntry[];
}

const VECTORS = ['parameters', 'first', 'second', 'average'] as const;

/** Writes the state. A kill while writing leaves the previous checkpoint intact. */
export async function saveCheckpoint(file: string, state: TrainingState): Promise<void> {
  const tensors = Object.fromEntries(
    VECTORS.map((name) => [name, { dtype: 'F32' as const, shape: [state[name].length], data: state[name] }]),
  );
  await writeSafetensors(file, tensors, {
    step: String(state.step),
    seconds: String(state.seconds),
    history: JSON.stringify(state.history),
  });
}

/** The state in `file`, or undefined where there is none. */
export async function loadCheckpoint(
  file: string,
  layout: ParameterLayout,
): Promise<TrainingState | undefined> {
  if (!existsSync(file)) return undefined;
  const open = await openSafetensors(file);
  const { step = '0', seconds = '0', history = '[]' } = open.metadata ?? {};
  const vectors = await Promise.all(VECTORS.map((name) => readTensor(open, name)));
  const [parameters, first, second, average] = vectors as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  if (parameters.length !== layout.total) {
    throw new Error(
      `checkpoint ${file}: holds ${parameters.length} weights, the stage has ${layout.total}; it belongs to another configuration, move it away`,
    );
  }
  return {
    step: Number(step),
    seconds: Number(seconds),
    parameters,
    first,
    second,
    average,
    history: JSON.parse(history),
  };
}
