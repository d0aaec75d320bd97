/**
 * @file Running a sampler's chain, and the two ways to store it for the backward pass.
 *
 * `checkpointed` keeps the state before every stage: a few thousand numbers each, no network activations. `invertible` keeps
 * the end state alone and recomputes each earlier one by the sampler's exact inverse, one network call more per stage.
 * Both run the network again for the gradient, and both give the same gradient.
 */
import { UserError, withinPlace } from '../errors.ts';
import { product } from '../numbers.ts';
import type { Denoiser } from './denoiser.ts';
import type { Latents, Sampler, Stage } from './sampler.ts';
import { invertStage } from './sampler.ts';

/** What a caller gets after each step. */
export interface StepInfo {
  /** Index of the step just done, 0 the noisiest. */
  readonly step: number;
  readonly steps: number;
  readonly timestep: number;
  /** The result so far: as many latents as the sampler ends with. */
  readonly latents: readonly Float64Array[];
}

/** Options of everything that runs a sampler's chain. */
export interface ChainOptions {
  /** Called after each step and awaited. What it throws ends the run. */
  onStep?: (info: StepInfo) => void | Promise<void>;
  /** Checked before each network call. */
  signal?: AbortSignal;
}

/** Options of `sample`. */
export interface SampleOptions extends ChainOptions {
  /** Step to begin with; the given noise is then the latent at the beginning of that step. Default 0. */
  startIndex?: number;
}

/** Options of a trajectory. */
export interface TrajectoryOptions extends SampleOptions {
  /**
   * Takes the gradient through this many last steps only, as if those before changed nothing: cheaper, and no longer the true
   * gradient. Default: all steps.
   */
  gradientSteps?: number;
}

/** How a trajectory stores what its backward pass needs. */
export type TrajectoryKind = 'checkpointed' | 'invertible';

/** A finished chain with its backward pass. */
export interface Trajectory {
  readonly kind: TrajectoryKind;
  /** The final latents, to be decoded. */
  readonly final: Float64Array[];
  /** How many latents are kept for the backward pass. */
  readonly retainedLatents: number;
  /**
   * The gradient with respect to the starting noise, from the cotangents of `final`. For a sampler that starts several
   * latents from one noise it is the sum over them. May be called more than once.
   */
  pullback(cotangentOfFinal: Latents, options?: ChainOptions): Promise<Float64Array>;
  /** The same for each starting latent by itself: for a pair that was given as two. */
  pullbackToInitial(cotangentOfFinal: Latents, options?: ChainOptions): Promise<Latents>;
}

/**
 * Runs the chain without storing anything of it.
 *
 * @param noise the starting noise, or one latent for each that the sampler carries
 * @returns the final latents: one for DDIM, the pair for EDICT.
 */
export async function sample(
  sampler: Sampler,
  denoiser: Denoiser,
  noise: Float64Array | Latents,
  options: SampleOptions = {},
): Promise<Float64Array[]> {
  return sampler.finalLatents(await runChain(sampler, denoiser, noise, options));
}

/**
 * Runs the chain and stores what its gradient needs.
 *
 * @param kind `invertible` holds no more memory for 100 steps than for 10 and needs a sampler with an exact inverse;
 * `checkpointed` works for all.
 * @throws UserError for `invertible` with a sampler that has no exact inverse
 */
export async function runTrajectory(
  kind: TrajectoryKind,
  sampler: Sampler,
  denoiser: Denoiser,
  noise: Float64Array | Latents,
  options: TrajectoryOptions = {},
): Promise<Trajectory> {
  if (kind === 'invertible' && !sampler.invertible) {
    throw new UserError(
      `runTrajectory: ${sampler.name} with ${sampler.steps} steps has no exact inverse; use 'checkpointed', or EDICT with fewer steps`,
    );
  }
  const { startIndex = 0, gradientSteps = sampler.steps } = options;
  const gradientStart = Math.max(startIndex, sampler.steps - gradientSteps);
  const stages = sampler.stages.filter(({ step }) => step >= gradientStart);

  const kept: Latents[] = [];
  const end = await runChain(sampler, denoiser, noise, options, (state, step) => {
    if (kind === 'checkpointed' && step >= gradientStart) kept.push(state);
  });

  async function pullbackToInitial(cotangentOfFinal: Latents, { onStep, signal }: ChainOptions = {}) {
    let after = end;
    let cotangent = sampler.finalPullback(cotangentOfFinal);
    for (let k = stages.length - 1; k >= 0; k--) {
      const stage = stages[k];
      let before = kept[k];
      if (!before) {
        signal?.throwIfAborted();
        before = await atStep(sampler, stage, () => invertStage(stage, after, denoiser));
      }
      signal?.throwIfAborted();
      const given = cotangent;
      cotangent = await atStep(sampler, stage, () => stage.pullback(before, given, denoiser));
      after = before;
      if (onStep && stages[k - 1]?.step !== stage.step) {
        const { step, timestep } = stage;
        await onStep({ step, steps: sampler.steps, timestep, latents: sampler.finalLatents(before) });
      }
    }
    return cotangent;
  }

  return {
    kind,
    final: sampler.finalLatents(end),
    retainedLatents: new Set([...kept, end].flat()).size,
    pullbackToInitial,
    pullback: async (cotangentOfFinal, chainOptions) =>
      sampler.initialPullback(await pullbackToInitial(cotangentOfFinal, chainOptions)),
  };
}

/** Runs a stage, so that a number in it that is not finite is reported with its step. */
export function atStep<T>({ steps }: Sampler, { step }: Stage, part: () => Promise<T>): Promise<T> {
  return withinPlace(() => `step ${step + 1} of ${steps}`, part);
}

/** Runs the stages of a chain, and shows each state to `beforeStage`. */
export async function runChain(
  sampler: Sampler,
  denoiser: Denoiser,
  noise: Float64Array | Latents,
  { startIndex = 0, endIndex = sampler.steps, onStep, signal }: SampleOptions & { endIndex?: number },
  beforeStage?: (state: Latents, step: number) => void,
): Promise<Latents> {
  if (!Number.isInteger(startIndex) || startIndex < 0 || startIndex >= sampler.steps) {
    throw new RangeError(
      `${sampler.name}: startIndex must be a whole number from 0 to ${sampler.steps - 1}, got ${startIndex}`,
    );
  }
  const begun = sampler.initial(noise, startIndex);
  checkSize(sampler, denoiser, begun);
  return continueChain(sampler, denoiser, begun, { startIndex, endIndex, onStep, signal }, beforeStage);
}

/** Runs the stages of some steps on a state of the chain. */
export async function continueChain(
  sampler: Sampler,
  denoiser: Denoiser,
  begun: Latents,
  { startIndex, endIndex, onStep, signal }: ChainOptions & { startIndex: number; endIndex: number },
  beforeStage?: (state: Latents, step: number) => void,
): Promise<Latents> {
  let state = begun;
  const stages = sampler.stages.filter(({ step }) => step >= startIndex && step < endIndex);
  for (const [k, stage] of stages.entries()) {
    signal?.throwIfAborted();
    beforeStage?.(state, stage.step);
    const given = state;
    state = await atStep(sampler, stage, () => stage.run(given, denoiser));
    if (onStep && stages[k + 1]?.step !== stage.step) {
      const { step, timestep } = stage;
      await onStep({ step, steps: sampler.steps, timestep, latents: sampler.finalLatents(state) });
    }
  }
  return state;
}

function checkSize(sampler: Sampler, { latentShape }: Denoiser, state: Latents): void {
  const size = product(latentShape);
  for (const latent of state) {
    if (latent.length !== size) {
      throw new RangeError(
        `${sampler.name}: the starting latent has ${latent.length} values; the denoiser's shape ${latentShape.join('x')} has ${size}`,
      );
    }
  }
}
