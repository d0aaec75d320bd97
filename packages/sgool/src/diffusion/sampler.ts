/**
 * @file What all samplers have in common.
 *
 * A sampler is a chain of steps, and a step is one or more stages, each with at most one network call. The state between
 * stages is a list of latents: one for DDIM, a pair for EDICT, a latent with its history for multistep solvers. Stages
 * are pure functions of the state; trajectory.ts runs them and decides what to remember for the backward pass.
 */
import type { Denoiser } from './denoiser.ts';
import type { NoisePath, Stops } from './noise-path.ts';

/** A state: the latents that a sampler carries from stage to stage. Never changed in place. */
export type Latents = readonly Float64Array[];

/** Part of a step that calls the network once (or, for an identity step, not at all). */
export interface Stage {
  /** Index of the step that this stage belongs to, 0 the noisiest. */
  readonly step: number;
  /** The time that the network gets. */
  readonly timestep: number;
  /** Whether it calls the network. */
  readonly callsNetwork: boolean;
  run(state: Latents, denoiser: Denoiser): Promise<Latents>;
  /** From the cotangent of the state after the stage to that of `state`, the one before it. */
  pullback(state: Latents, cotangent: Latents, denoiser: Denoiser): Promise<Latents>;
  /** The state before the stage, from the one after it. Only where it is exact. */
  invert?(state: Latents, denoiser: Denoiser): Promise<Latents>;
}

/** Weights of clean latent and noise. */
export interface NoiseMix {
  readonly signal: number;
  readonly noise: number;
}

/** A sampler for a number of steps: a chain of differentiable stages. */
export interface Sampler {
  readonly name: string;
  /** Number of steps; step i runs from index i to i + 1, 0 being pure noise. */
  readonly steps: number;
  /** The time that the network gets at each step, noisiest first. */
  readonly timesteps: readonly number[];
  /** The latent that `initial` takes at the beginning of a step, as a mix of the clean latent and standard normal noise. */
  mixAt(startIndex: number): NoiseMix;
  /** Index of the step at which each step that users count begins, if one is several here (PNDM). Default: its own. */
  readonly begins?: readonly number[];
  /** The stages of all steps in order. */
  readonly stages: readonly Stage[];
  /** Whether every stage has an exact inverse. */
  readonly invertible: boolean;
  /** The state at the beginning of step `startIndex`, from one latent or from as many as `finalLatents` gives. */
  initial(noise: Float64Array | Latents, startIndex?: number): Latents;
  /** Gradient with respect to the one latent given to `initial`, from the cotangent of the state that it made. */
  initialPullback(cotangent: Latents): Float64Array;
  /** The results: the latents to decode. */
  finalLatents(state: Latents): Float64Array[];
  /** Cotangent of the last state from those of `finalLatents`. */
  finalPullback(cotangents: Latents): Latents;
}

/** What a sampler file provides; the rest follows from its stages. */
export type SamplerParts = Omit<Sampler, 'invertible' | 'steps'>;

/** Completes a sampler. */
export function createSampler(parts: SamplerParts): Sampler {
  return {
    ...parts,
    steps: parts.timesteps.length,
    invertible: parts.stages.every((stage) => stage.invert !== undefined),
  };
}

/**
 * `mixAt` of a chain whose every step begins at a stop of its own. The first stage of a chain may scale the noise; what is
 * mixed for step 0 goes through it, too.
 */
export function mixesAt(path: NoisePath, { levels, startScale }: Stops): Sampler['mixAt'] {
  return (startIndex) => {
    const scale = startIndex === 0 ? startScale : 1;
    const level = levels[startIndex];
    return { signal: path.signal(level) / scale, noise: path.noise(level) / scale };
  };
}

/** The state before a stage, from the one after it. @throws RangeError where the stage has no exact inverse */
export function invertStage(stage: Stage, state: Latents, denoiser: Denoiser): Promise<Latents> {
  if (!stage.invert) throw new RangeError(`invertStage: step ${stage.step} has no exact inverse`);
  return stage.invert(state, denoiser);
}

/**
 * The parts of a sampler whose state is one latent followed by a history that starts empty: `initial` takes the latent,
 * `finalLatents` gives it back, and cotangents of the history are zero at the end.
 *
 * @param historyAtEnd how many latents the last state holds beside the result.
 */
export function singleLatent(
  name: string,
  historyAtEnd = 0,
): Pick<Sampler, 'initial' | 'initialPullback' | 'finalLatents' | 'finalPullback'> {
  return {
    initial(noise) {
      const latents = noise instanceof Float64Array ? [noise] : noise;
      if (latents.length !== 1) {
        throw new RangeError(`${name}: starts from one latent, got ${latents.length}`);
      }
      return [latents[0].slice()];
    },
    initialPullback: (cotangent) => cotangent[0],
    finalLatents: (state) => [state[0]],
    finalPullback: ([cotangent]) => [
      cotangent,
      ...Array.from({ length: historyAtEnd }, () => new Float64Array(cotangent.length)),
    ],
  };
}
