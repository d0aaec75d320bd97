/** @file A network under guidance, as the denoiser that samplers call: what families have in common. */
import {
  add,
  type Graph,
  gradient,
  mul,
  resident,
  split,
  sub,
  type Tensor,
  type TensorSpec,
  trace,
} from '@sgool/autodiff';
import type { Denoiser } from '../diffusion/denoiser.ts';
import type { Predicted } from '../diffusion/noise-path.ts';
import { UserError } from '../errors.ts';
import { product } from '../numbers.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import { rescaledCotangents, rescaledGuidance } from './guidance-rescale.ts';
import { stepOfTime } from './prompt-steps.ts';
import {
  checkSkippedLayers,
  type SkipLayerGuidance,
  skippingWeights,
  skipsAt,
} from './skip-layer-guidance.ts';
import { joinContexts, type TextContext } from './text-context.ts';

/** The network of a family, as guidance sees it. */
export interface GuidedNetwork {
  /** Begins the keys of its programs. */
  readonly name: string;
  /** Whether it gets the guidance scale as an input; then it is never evaluated for a negative prompt. */
  readonly embedsGuidance: boolean;
  /** How many layers guidance can skip. Absent where it can skip none. */
  readonly skippableLayers?: number;
  /**
   * The inputs of a program for one or two prompts, `latent` [1, ...] and `timestep` [1] among them, and the trace from them to a
   * prediction for each prompt, [prompts, ...].
   *
   * @param skippedLayers layers that are left out, below `skippableLayers`. Default none
   */
  inputs(
    prompts: 1 | 2,
    text: TextContext,
    skippedLayers?: readonly number[],
  ): {
    readonly shapes: Readonly<Record<string, TensorSpec>>;
    readonly predict: (given: Readonly<Record<string, Tensor>>) => Tensor;
  };
  /** The numbers of these inputs for a call. */
  numbers(text: TextContext): (latent: Float64Array, timestep: number) => Record<string, Float32Array>;
}

/** How a denoiser is guided. */
export interface GuidanceParts {
  readonly programs: ProgramCache;
  /** `[1, channels, height, width]`. */
  readonly latentShape: readonly number[];
  /** Of the prompt. */
  readonly conditional: TextContext;
  /** Of the negative prompt. Without it there is no guidance, and one evaluation per call instead of two. */
  readonly unconditional?: TextContext;
  /** 1 or less switches guidance off: the network is evaluated for the prompt alone. */
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
  /** For networks that have layers which guidance can skip. */
  readonly skipLayerGuidance?: SkipLayerGuidance;
  /** The times of the sampler's steps, noisiest first; needed by guidance that skips layers in some of them. */
  readonly timesteps?: readonly number[];
  /** Counted up by every call; shared by the denoisers of a run. */
  readonly evaluations: { forward: number; pullback: number };
}

export interface GuidedDenoiserParts extends GuidanceParts {
  readonly network: GuidedNetwork;
  readonly predicts: Predicted;
  /** The time of pure noise, as the network gets it. */
  readonly trainTimesteps: number;
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
 *
 * @throws UserError where guidance is to be rescaled that is an input of the network, or is to skip layers that the network does not have
 */
export function guidedDenoiser(parts: GuidedDenoiserParts): Denoiser {
  const { network, conditional, unconditional, guidanceScale, latentShape, evaluations } = parts;
  const { guidanceStart = 0, guidanceStop = 1, guidanceRescale: rescale = 0 } = parts;
  const plain = conditioned(parts, 1, conditional);
  if (rescale > 0 && network.embedsGuidance) {
    throw new UserError(
      `guidanceRescale: ${rescale} is not supported with a network that takes the guidance scale as an input; use 0`,
    );
  }
  const guidedBy = (negative: TextContext, scale: number) =>
    rescale > 0 || fillsThreads(parts)
      ? guidedSequentially(conditioned(parts, 1, negative), plain, scale, rescale)
      : conditioned({ ...parts, guidanceScale: scale }, 2, joinContexts(negative, conditional));
  const negative = guidanceScale > 1 && !network.embedsGuidance ? unconditional : undefined;
  const guided = negative === undefined ? plain : guidedBy(negative, guidanceScale);
  const skipping = skippingSteps(parts);
  const away =
    negative === undefined || skipping === undefined
      ? guided
      : awayFromSkipped(parts, skipping, (scale) => guidedBy(negative, scale));
  const networkAt = (timestep: number) => {
    const done = 1 - timestep / parts.trainTimesteps;
    if (done < guidanceStart || done > guidanceStop) return plain;
    return skipping?.isAt(timestep) ? away : guided;
  };

  return {
    latentShape,
    predicts: parts.predicts,
    evaluations,
    async predict(latent, timestep) {
      const called = networkAt(timestep);
      const prediction = await called.predict(latent, timestep);
      evaluations.forward += called.prompts;
      return Float64Array.from(prediction);
    },
    async pullback(latent, timestep, cotangent) {
      const called = networkAt(timestep);
      const gradientOfLatent = await called.pullback(latent, timestep, cotangent);
      evaluations.pullback += called.prompts;
      return Float64Array.from(gradientOfLatent);
    },
  };
}

/** The network under one or two prompts, with its vector-Jacobian product. */
interface ConditionedNetwork {
  /** Evaluations of the network in a call. */
  readonly prompts: number;
  predict(latent: Float64Array, timestep: number): Promise<Float32Array>;
  pullback(latent: Float64Array, timestep: number, cotangent: Float64Array): Promise<Float32Array>;
}

/** @param context of one prompt, or of the negative prompt and the prompt, which are then guided as a batch */
function conditioned(
  { programs, network, latentShape, guidanceScale }: GuidedDenoiserParts,
  prompts: 1 | 2,
  context: TextContext,
  skippedLayers: readonly number[] = [],
): ConditionedNetwork {
  const without = skippedLayers.length === 0 ? '' : `, without ${skippedLayers.join(' ')}`;
  const key = `${prompts}x${latentShape.join('x')}, ${context.tokens} tokens${without}`;
  const graph = () => predictionGraph(network, prompts, context, skippedLayers);
  // The same in every call, so that a card gets it once.
  for (const states of [context.data, context.pooled]) if (states) resident(states);
  const numbers = network.numbers(context);
  const others: Record<string, Float32Array> = prompts === 2 ? { scale: Float32Array.of(guidanceScale) } : {};
  const inputs = (latent: Float64Array, timestep: number) => ({ ...numbers(latent, timestep), ...others });
  return {
    prompts,
    async predict(latent, timestep) {
      const program = await programs.get(`${network.name} ${key}`, graph);
      return (await program.run(inputs(latent, timestep))).prediction as Float32Array;
    },
    async pullback(latent, timestep, cotangent) {
      const program = await programs.get(`${network.name} pullback ${key}`, () =>
        gradient(graph(), { of: 'prediction', wrt: ['latent'], cotangents: 'cotangent' }),
      );
      const given = { ...inputs(latent, timestep), cotangent: Float32Array.from(cotangent) };
      return (await program.run(given))['grad:latent'] as Float32Array;
    },
  };
}

/** From this many positions of a latent on (64x64), one sample keeps the threads of a processor as busy as two. */
const BUSY_POSITIONS = 4096;

/** Whether a batch of two prompts is no faster, and takes twice the memory. */
function fillsThreads({ programs, latentShape }: GuidedDenoiserParts): boolean {
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

/** The steps in which layers are skipped. */
interface SkippingSteps extends SkipLayerGuidance {
  isAt(timestep: number): boolean;
}

/** @throws UserError where the network has no such layers, or the steps are not known */
function skippingSteps({
  network,
  skipLayerGuidance: skip,
  guidanceRescale = 0,
  timesteps,
}: GuidedDenoiserParts): SkippingSteps | undefined {
  if (skip === undefined) return undefined;
  checkSkippedLayers(skip.layers, network.skippableLayers, 'this model');
  if (guidanceRescale > 0) {
    throw new UserError(
      `guidanceRescale: ${guidanceRescale} does not go together with skipped layers; use 0, or skip none`,
    );
  }
  if (timesteps === undefined) {
    throw new UserError('denoiser: layers are skipped in some steps; give timesteps, those of the sampler');
  }
  return { ...skip, isAt: (timestep) => skipsAt(skip, stepOfTime(timesteps, timestep), timesteps.length) };
}

/** Guidance towards the prompt, and away from the network without some layers. */
function awayFromSkipped(
  parts: GuidedDenoiserParts,
  skip: SkipLayerGuidance,
  guidedAt: (scale: number) => ConditionedNetwork,
): ConditionedNetwork {
  const weights = skippingWeights(parts.guidanceScale, skip);
  const guided = guidedAt(weights.guidanceScale);
  const skipped = conditioned(parts, 1, parts.conditional, skip.layers);
  const sum = async (of: (network: ConditionedNetwork) => Promise<Float32Array>) => {
    const [toPrompt, without] = [await of(guided), await of(skipped)];
    return toPrompt.map((value, i) => weights.guided * value + weights.skipped * without[i]);
  };
  return {
    prompts: guided.prompts + skipped.prompts,
    predict: (latent, timestep) => sum((network) => network.predict(latent, timestep)),
    pullback: (latent, timestep, cotangent) =>
      sum((network) => network.pullback(latent, timestep, cotangent)),
  };
}

/** A trace of the network, guidance applied where there are two prompts (the first is the negative one). */
function predictionGraph(
  network: GuidedNetwork,
  prompts: 1 | 2,
  context: TextContext,
  skippedLayers: readonly number[],
): Graph {
  const { shapes, predict } = network.inputs(prompts, context, skippedLayers);
  if (prompts === 1) return trace(shapes, (given) => ({ prediction: predict(given) }));
  const guided: Readonly<Record<string, TensorSpec>> = { ...shapes, scale: { shape: [1] } };
  return trace(guided, ({ scale, ...given }) => {
    const [unconditional, conditional] = split(predict(given), [1, 1], 0);
    return { prediction: add(unconditional, mul(scale, sub(conditional, unconditional))) };
  });
}
