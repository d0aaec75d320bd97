/** @file The weights that are trained, and how one batch moves them. */
import { ParameterLayout, type ParameterSlot } from '@sgool/autodiff';
import { NotFiniteError, required } from '../errors.ts';
import type { TrainableNetwork, TrainingText } from '../models/trainable-network.ts';
import { mean } from '../numbers.ts';
import { allFinite } from '../runtime/network-program.ts';
import type { Stateful } from '../state.ts';
import { float32Of } from '../weights/formats/tensor-views.ts';
import {
  attentionGraph,
  frozenGraph,
  mapsGraph,
  normGraph,
  type StepShape,
  updateGraph,
} from './programs.ts';
import type { FineTuneSettings } from './settings.ts';

/** A sample of a batch. */
export interface TrainingSample {
  /** Noisy latent. */
  readonly latent: Float32Array;
  readonly timestep: number;
  /** The prompt of several objects. */
  readonly text: TrainingText;
  /** See `wordShares`. */
  readonly words: Float32Array;
  /** The prompt of one object, for the regulariser. */
  readonly single: TrainingText;
}

/** Losses of a step, each the mean over the batch, before the update of that step. */
export interface FineTuneLosses {
  /** Weighted sum of the others. */
  readonly total: number;
  readonly separate: number;
  readonly enhance: number;
  /** The regulariser; absent where its weight is 0. */
  readonly norm?: number;
}

/** What an update depends on beside its gradient. */
export interface TrainerState {
  /** Flat, in the order of the layout. */
  readonly parameters: Float32Array;
  /** Running means of the gradient and of its square. */
  readonly first: Float32Array;
  readonly second: Float32Array;
  /** Updates so far. */
  readonly updates: number;
}

/** Evaluations of the network: one sample counts one; a pullback counts the evaluation that it contains. */
export interface Evaluations {
  forward: number;
  pullback: number;
}

const BETA1 = 0.9;
const BETA2 = 0.999;

type TrainerSettings = Omit<FineTuneSettings, 'steps' | 'templates' | 'singleTemplate' | 'seed'>;
type SampleShape = Omit<StepShape, 'samples'>;

/** What a forward and backward pass reads of the samples. */
type Reads = 'text' | 'single';

export class Trainer implements Stateful<TrainerState> {
  readonly layout: ParameterLayout;
  /** The weights before the training, flat. */
  readonly start: Float32Array;
  readonly evaluations: Evaluations = { forward: 0, pullback: 0 };
  readonly #network: TrainableNetwork;
  readonly #settings: TrainerSettings;
  readonly #shape: SampleShape;
  readonly #key: string;
  #state: TrainerState;
  /** Written by an update, while it reads the state; then they change places. */
  #spare: Pick<TrainerState, 'parameters' | 'first' | 'second'>;

  constructor(network: TrainableNetwork, settings: TrainerSettings, shape: SampleShape) {
    const tensors = network.projections(settings.trains);
    this.layout = new ParameterLayout(new Map([...tensors].map(([name, { shape }]) => [name, shape])));
    const { slots, total } = this.layout;
    this.start = new Float32Array(total);
    for (const { name, offset } of slots) this.start.set(valuesIn(tensors, name), offset);
    this.#network = network;
    this.#settings = settings;
    this.#shape = shape;
    const { trains, separateWeight, enhanceWeight, normWeight, maxNorm, weightDecay } = settings;
    this.#key = JSON.stringify({
      ...{ trains, separateWeight, enhanceWeight, normWeight, maxNorm, weightDecay },
      ...shape,
    });
    const empty = () => new Float32Array(total);
    this.#state = { parameters: this.start.slice(), first: empty(), second: empty(), updates: 0 };
    this.#spare = { parameters: empty(), first: empty(), second: empty() };
  }

  state(): TrainerState {
    const { parameters, first, second, updates } = this.#state;
    return { parameters: parameters.slice(), first: first.slice(), second: second.slice(), updates };
  }

  restore({ parameters, first, second, updates }: TrainerState): void {
    this.#state = { parameters: parameters.slice(), first: first.slice(), second: second.slice(), updates };
  }

  /** How much each trained weight has changed, by name. */
  changes(): Map<string, { shape: readonly number[]; data: Float32Array }> {
    const { parameters } = this.#state;
    return this.layout.views(parameters.map((value, i) => value - this.start[i]));
  }

  /** The trained weights, by name; views that the next update overwrites. */
  weights(): Map<string, { shape: readonly number[]; data: Float32Array }> {
    return this.layout.views(this.#state.parameters);
  }

  /**
   * Moves the weights by one batch.
   *
   * @returns the losses and the norm of the gradient of the last update, before clipping
   * @throws NotFiniteError where the network gives numbers that are not finite; the weights stay as they were
   */
  async step(
    samples: readonly TrainingSample[],
    signal?: AbortSignal,
  ): Promise<{ losses: FineTuneLosses; gradientNorm: number }> {
    const { separateWeight, enhanceWeight, normWeight, normStep } = this.#settings;
    const before = { ...this.#state };
    try {
      const attention = await this.#attention(samples, signal);
      const own = normWeight > 0 && normStep === 'own';
      const firstNorm = own ? await this.#update(attention.gradient) : undefined;
      const norm = normWeight > 0 ? await this.#norm(samples, signal) : undefined;
      const rest =
        own || norm === undefined
          ? (norm?.gradient ?? attention.gradient)
          : sumOf(attention.gradient, norm.gradient);
      const lastNorm = await this.#update(rest);
      const [separate, enhance] = [mean(attention.separate), mean(attention.enhance)];
      const normLoss = norm && mean(norm.norm);
      const total = separateWeight * separate + enhanceWeight * enhance + normWeight * (normLoss ?? 0);
      return {
        losses: { total, separate, enhance, ...(normLoss === undefined ? {} : { norm: normLoss }) },
        gradientNorm: firstNorm ?? lastNorm,
      };
    } catch (error) {
      // An update that was made for the first half of a step does not stay without the second.
      this.#state = before;
      throw error;
    }
  }

  /**
   * How much each position attends to each object of a sample under the trained weights, the mean over heads.
   *
   * @returns [objects, rows * columns]
   */
  async maps(sample: TrainingSample): Promise<Float32Array> {
    const shape = this.#shapeOf([sample]);
    const program = await this.#network.programs.get(`finetune maps ${this.#key}`, () =>
      mapsGraph(this.#network, this.layout, shape),
    );
    const { share: _, ...given } = this.#inputs([sample], 'text', 1);
    return (await program.run({ ...given, words: sample.words })).maps as Float32Array;
  }

  /** The gradient of Separate and Enhance over a batch, and both losses of each sample. */
  async #attention(samples: readonly TrainingSample[], signal: AbortSignal | undefined) {
    const separate: number[] = [];
    const enhance: number[] = [];
    const gradient = new Float32Array(this.layout.total);
    for (const group of this.#groups(samples)) {
      signal?.throwIfAborted();
      const shape = this.#shapeOf(group);
      const program = await this.#network.programs.get(`finetune ${group.length} ${this.#key}`, () =>
        attentionGraph(this.#network, this.layout, shape, this.#settings),
      );
      const results = await program.run({
        ...this.#inputs(group, 'text', samples.length),
        words: joined(group.map(({ words }) => words)),
      });
      addTo(gradient, results.gradient as Float32Array);
      separate.push(...(results.separate as Float32Array));
      enhance.push(...(results.enhance as Float32Array));
      this.evaluations.pullback += group.length;
    }
    return { gradient, separate, enhance };
  }

  /** The gradient of the regulariser over a batch, and its loss of each sample. */
  async #norm(samples: readonly TrainingSample[], signal: AbortSignal | undefined) {
    const norm: number[] = [];
    const gradient = new Float32Array(this.layout.total);
    const { programs } = this.#network;
    for (const group of this.#groups(samples)) {
      signal?.throwIfAborted();
      const shape = this.#shapeOf(group);
      const frozen = await programs.get(`finetune frozen ${group.length} ${this.#key}`, () =>
        frozenGraph(this.#network, shape),
      );
      const { parameters: _, share: __, ...given } = this.#inputs(group, 'single', samples.length);
      const { prediction } = await frozen.run(given);
      this.evaluations.forward += group.length;
      signal?.throwIfAborted();
      const program = await programs.get(`finetune norm ${group.length} ${this.#key}`, () =>
        normGraph(this.#network, this.layout, shape, this.#settings),
      );
      const inputs = { ...this.#inputs(group, 'single', samples.length), target: prediction };
      const results = await program.run(inputs);
      addTo(gradient, results.gradient as Float32Array);
      norm.push(...(results.norm as Float32Array));
      this.evaluations.pullback += group.length;
    }
    return { gradient, norm };
  }

  /** Moves the weights by a gradient, and gives its norm before clipping. */
  async #update(gradient: Float32Array): Promise<number> {
    const { programs } = this.#network;
    const program = await programs.get(`finetune update ${this.#key}`, () =>
      updateGraph(this.layout, this.#settings),
    );
    const { updates, ...state } = this.#state;
    const number = (value: number) => Float32Array.of(value);
    const { normWeight, learningRate } = this.#settings;
    // The regulariser reaches every weight; the other losses none behind the last of the maps that they read.
    const isReached = ({ offset, size }: ParameterSlot) =>
      normWeight > 0 ||
      [gradient, state.second].some((values) =>
        values.subarray(offset, offset + size).some((value) => value !== 0),
      );
    const results = await program.run(
      {
        ...state,
        gradient,
        learningRate: number(learningRate),
        correction1: number(1 - BETA1 ** (updates + 1)),
        correction2: number(1 - BETA2 ** (updates + 1)),
        decays: Float32Array.from(this.layout.slots, (slot) => Number(isReached(slot))),
      },
      this.#spare,
    );
    const { parameters, first, second, norm } = results as Record<string, Float32Array>;
    this.#spare = state;
    this.#state = { parameters, first, second, updates: updates + 1 };
    return norm[0];
  }

  #groups(samples: readonly TrainingSample[]): TrainingSample[][] {
    const { microBatch } = this.#settings;
    const count = Math.ceil(samples.length / microBatch);
    return Array.from({ length: count }, (_, i) => samples.slice(i * microBatch, (i + 1) * microBatch));
  }

  #shapeOf(group: readonly TrainingSample[]): StepShape {
    return { ...this.#shape, samples: group.length };
  }

  #inputs(group: readonly TrainingSample[], reads: Reads, batch: number) {
    return {
      sample: joined(group.map(({ latent }) => latent)),
      timestep: Float32Array.from(group, ({ timestep }) => timestep),
      context: joined(group.map((sample) => sample[reads].data)),
      parameters: this.#state.parameters,
      share: Float32Array.of(1 / batch),
    };
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function addTo(total: Float32Array, values: Float32Array): void {
  for (let i = 0; i < total.length; i++) total[i] += values[i];
}

const sumOf = (a: Float32Array, b: Float32Array) => a.map((value, i) => value + b[i]);

/** The weight of this name as it is stored. @throws NotFiniteError where it holds something that is no number */
function valuesIn(tensors: ReturnType<TrainableNetwork['projections']>, name: string): Float32Array {
  const values = float32Of(required(tensors.get(name), name));
  if (allFinite(values)) return values;
  throw new NotFiniteError(`finetune: the weight ${name} of the model holds numbers that are not finite`);
}
