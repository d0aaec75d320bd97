/** @file The UNet under classifier-free guidance, as the denoiser that samplers call. */
import { add, type Graph, gradient, mul, split, sub, trace, type Weights } from '@sgool/autodiff';
import type { Denoiser } from '../../diffusion/denoiser.ts';
import type { Schedule } from '../../diffusion/schedule.ts';
import { UserError } from '../../errors.ts';
import { type Motion, unet } from '../../networks/unet/unet.ts';
import { product } from '../../numbers.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import { rescaledCotangents, rescaledGuidance } from './guidance-rescale.ts';
import { inputNumbers, type TextContext, tracedInputs, type UNetInputParts } from './unet-inputs.ts';

export interface DenoiserParts extends UNetInputParts {
  readonly programs: ProgramCache;
  readonly weights: Weights;
  /** What mixes the frames of clips. */
  readonly motion?: Motion | undefined;
  /** Whether gradients compute the activations of each block again instead of keeping them. Default false. */
  readonly checkpointBlocks?: boolean;
  readonly schedule: Schedule;
  /** Of the prompt. */
  readonly conditional: TextContext;
  /** Of the negative prompt. Without it there is no guidance, and one evaluation per call instead of two. */
  readonly unconditional?: TextContext;
  /**
   * 1 or less switches guidance off: the network is evaluated for the prompt alone. A network that was distilled with guidance
   * (`time_cond_proj_dim`) gets the scale as an input, and is never evaluated for the negative prompt.
   */
  readonly guidanceScale: number;
  /**
   * The part of the chain, from noise (0) to image (1), that is guided; outside of it the network is evaluated for the prompt alone.
   * Default all.
   */
  readonly guidanceStart?: number;
  readonly guidanceStop?: number;
  /**
   * φ, how far the guided prediction is scaled back to the standard deviation of the one for the prompt alone: 0 (the default) to
   * 1. The prompts are then evaluated one after the other, and a pullback evaluates them once more.
   */
  readonly guidanceRescale?: number;
  /** Counted up by every call; shared by the denoisers of a run. */
  readonly evaluations: { forward: number; pullback: number };
}

/**
 * A denoiser for one prompt. Both conditionings go through the network in one call, as a batch of two; on a processor those of
 * large images go one after the other, which is as fast there and takes half the memory.
 *
 * A pullback counts as one evaluation per conditioning, although it runs the network forward again.
 *
 * Reference: Ho and Salimans 2022, "Classifier-Free Diffusion Guidance"; Kynkäänniemi et al. 2024, "Applying Guidance in a
 * Limited Interval Improves Sample and Distribution Quality in Diffusion Models"; Lin et al. 2023, "Common Diffusion Noise Schedules
 * and Sample Steps are Flawed", section 3.4 (rescaled guidance).
 */
export function createDenoiser(parts: DenoiserParts): Denoiser {
  const { programs, schedule, conditional, unconditional, guidanceScale, latentShape, evaluations } = parts;
  const { guidanceStart = 0, guidanceStop = 1 } = parts;
  const embeddingWidth = parts.config.time_cond_proj_dim;
  const conditioned = (
    prompts: 1 | 2,
    context: TextContext,
    others: Record<string, Float32Array> = {},
  ): ConditionedNetwork => {
    const key = `${prompts}x${latentShape.join('x')}, ${context.tokens} tokens`;
    const graph = () => predictionGraph(parts, prompts, context);
    const numbers = inputNumbers(parts, context);
    const inputs = (latent: Float64Array, timestep: number) => ({ ...numbers(latent, timestep), ...others });
    return {
      prompts,
      async predict(latent, timestep) {
        const program = await programs.get(`unet ${key}`, graph);
        return (await program.run(inputs(latent, timestep))).prediction as Float32Array;
      },
      async pullback(latent, timestep, cotangent) {
        const program = await programs.get(`unet pullback ${key}`, () =>
          gradient(graph(), { of: 'prediction', wrt: ['latent'], cotangents: 'cotangent' }),
        );
        const given = { ...inputs(latent, timestep), cotangent: Float32Array.from(cotangent) };
        return (await program.run(given))['grad:latent'] as Float32Array;
      },
    };
  };
  const plain = conditioned(1, conditional);
  const rescale = parts.guidanceRescale ?? 0;
  if (rescale > 0 && embeddingWidth) {
    throw new UserError(
      `guidanceRescale: ${rescale} is not supported with a network that takes the guidance scale as an input; use 0`,
    );
  }
  const guidedBy = (negative: TextContext) =>
    rescale > 0 || fillsThreads(parts)
      ? guidedSequentially(conditioned(1, negative), plain, guidanceScale, rescale)
      : conditioned(2, concatContexts(negative, conditional), { guidance: Float32Array.of(guidanceScale) });
  const guided =
    unconditional !== undefined && guidanceScale > 1 && !embeddingWidth ? guidedBy(unconditional) : plain;
  const networkAt = (timestep: number) => {
    const done = 1 - timestep / schedule.trainTimesteps;
    return guidanceStart <= done && done <= guidanceStop ? guided : plain;
  };

  return {
    latentShape,
    predicts: schedule.predicts,
    evaluations,
    async predict(latent, timestep) {
      const network = networkAt(timestep);
      const prediction = await network.predict(latent, timestep);
      evaluations.forward += network.prompts;
      return Float64Array.from(prediction);
    },
    async pullback(latent, timestep, cotangent) {
      const network = networkAt(timestep);
      const gradientOfLatent = await network.pullback(latent, timestep, cotangent);
      evaluations.pullback += network.prompts;
      return Float64Array.from(gradientOfLatent);
    },
  };
}

/** The network under one or two prompts, with its vector-Jacobian product. */
interface ConditionedNetwork {
  readonly prompts: 1 | 2;
  predict(latent: Float64Array, timestep: number): Promise<Float32Array>;
  pullback(latent: Float64Array, timestep: number, cotangent: Float64Array): Promise<Float32Array>;
}

/** From this many positions of a latent on (64x64), one sample keeps the threads of a processor as busy as two. */
const BUSY_POSITIONS = 4096;

/** Whether a batch of two prompts is no faster, and takes twice the memory. */
function fillsThreads({ programs, latentShape }: DenoiserParts): boolean {
  const onProcessor = (programs.options.device ?? 'cpu') === 'cpu';
  return onProcessor && product(latentShape) / latentShape[1] >= BUSY_POSITIONS;
}

/** Guidance with two networks that are evaluated one after the other. */
function guidedSequentially(
  unconditional: ConditionedNetwork,
  conditional: ConditionedNetwork,
  guidanceScale: number,
  rescale: number,
): ConditionedNetwork {
  const both = async (latent: Float64Array, timestep: number) => {
    const without = await unconditional.predict(latent, timestep);
    const withPrompt = await conditional.predict(latent, timestep);
    const guided = without.map((value, i) => value + guidanceScale * (withPrompt[i] - value));
    return { withPrompt, guided };
  };
  return {
    prompts: 2,
    async predict(latent, timestep) {
      const { withPrompt, guided } = await both(latent, timestep);
      return rescale > 0 ? rescaledGuidance(guided, withPrompt, rescale) : guided;
    },
    async pullback(latent, timestep, cotangent) {
      const share = (network: ConditionedNetwork, given: Float64Array, factor: number) =>
        network.pullback(
          latent,
          timestep,
          given.map((value) => factor * value),
        );
      if (rescale > 0) {
        const { withPrompt, guided } = await both(latent, timestep);
        const { ofGuided, ofPrompt } = rescaledCotangents(guided, withPrompt, rescale, cotangent);
        const first = await share(unconditional, ofGuided, 1 - guidanceScale);
        const given = ofGuided.map((value, i) => guidanceScale * value + ofPrompt[i]);
        const second = await share(conditional, given, 1);
        return first.map((value, i) => value + second[i]);
      }
      const first = await share(unconditional, cotangent, 1 - guidanceScale);
      const second = await share(conditional, cotangent, guidanceScale);
      return first.map((value, i) => value + second[i]);
    },
  };
}

/** A trace of the network, guidance applied where there are two prompts (the first is the negative one). */
function predictionGraph(parts: DenoiserParts, prompts: 1 | 2, context: TextContext): Graph {
  const { config, weights, checkpointBlocks, motion } = parts;
  const network = unet(config, weights, { checkpointBlocks, motion });
  const { shapes, read } = tracedInputs(parts, prompts, context);
  if (prompts === 1) return trace(shapes, (given) => ({ prediction: network(read(given)) }));
  return trace({ ...shapes, guidance: { shape: [1] } }, (given) => {
    const [unconditional, conditional] = split(network(read(given)), [1, 1], 0);
    return { prediction: add(unconditional, mul(given.guidance, sub(conditional, unconditional))) };
  });
}

function concatContexts(first: TextContext, second: TextContext): TextContext {
  const data = new Float32Array(first.data.length + second.data.length);
  data.set(first.data);
  data.set(second.data, first.data.length);
  return { ...first, data };
}
