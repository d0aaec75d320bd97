/** @file The UNet under classifier-free guidance, as the noise predictor that samplers ask for. */
import {
  add,
  concat,
  expand,
  type Graph,
  gradient,
  mul,
  split,
  sub,
  type Tensor,
  trace,
  type Weights,
} from '@sgool/autodiff';
import { type Denoiser, noiseCoefficients, type Schedule } from '../diffusion/index.ts';
import { type UNetConfig, unet } from '../networks/index.ts';
import { guidanceEmbedding } from './guidance-embedding.ts';
import type { ProgramCache } from './programs.ts';

/** Text conditioning: hidden states of one or two prompts, `[prompts, tokens, width]`. */
export interface TextContext {
  readonly tokens: number;
  readonly width: number;
  readonly data: Float32Array;
}

export interface DenoiserParts {
  readonly programs: ProgramCache;
  readonly config: UNetConfig;
  readonly weights: Weights;
  /** Whether gradients compute the activations of each block again instead of keeping them. Default false. */
  readonly checkpointBlocks?: boolean;
  readonly schedule: Schedule;
  /** Of the prompt. */
  readonly conditional: TextContext;
  /** Of the negative prompt; without it there is no guidance, and one evaluation per call instead of two. */
  readonly unconditional?: TextContext;
  /**
   * 1 or less switches guidance off: the network is asked about the prompt alone. A network that was distilled with guidance
   * (`time_cond_proj_dim`) is told the scale instead, and never asked about the negative prompt.
   */
  readonly guidanceScale: number;
  /**
   * The part of the way from noise (0) to picture (1) that is guided; outside of it the network is asked about the prompt alone.
   * Default all.
   */
  readonly guidanceStart?: number;
  readonly guidanceStop?: number;
  /** `[1, channels, height, width]` of the latent. */
  readonly latentShape: readonly number[];
  /** Counted up by every call; shared between the denoisers of a run. */
  readonly evaluations: { forward: number; pullback: number };
}

/**
 * A denoiser for one prompt. Both conditionings go through the network in one call, as a batch of two.
 *
 * A pullback counts as one evaluation per conditioning, although the network is run forward again inside it.
 *
 * Reference: Ho and Salimans 2022, "Classifier-Free Diffusion Guidance"; Kynkäänniemi et al. 2024, "Applying Guidance in a
 * Limited Interval Improves Sample and Distribution Quality in Diffusion Models".
 */
export function createDenoiser(parts: DenoiserParts): Denoiser {
  const { programs, schedule, conditional, unconditional, guidanceScale, latentShape, evaluations } = parts;
  const { guidanceStart = 0, guidanceStop = 1 } = parts;
  const embeddingWidth = parts.config.time_cond_proj_dim;
  const told: Record<string, Float32Array> = embeddingWidth
    ? { timestepCondition: guidanceEmbedding(guidanceScale, embeddingWidth) }
    : {};
  const way = (prompts: 1 | 2, context: TextContext, guidance: Record<string, Float32Array>) => ({
    prompts,
    key: `${prompts}x${latentShape.join('x')}, ${context.tokens} tokens`,
    graph: () => noiseGraph(parts, prompts, context),
    inputs: (latent: Float64Array, timestep: number) => ({
      latent: Float32Array.from(latent),
      timestep: Float32Array.of(timestep),
      context: context.data,
      ...guidance,
    }),
  });
  const plain = way(1, conditional, told);
  const guided =
    unconditional !== undefined && guidanceScale > 1 && !embeddingWidth
      ? way(2, joined(unconditional, conditional), { guidance: Float32Array.of(guidanceScale) })
      : plain;
  const wayAt = (timestep: number) => {
    const done = 1 - timestep / schedule.trainTimesteps;
    return guidanceStart <= done && done <= guidanceStop ? guided : plain;
  };

  return {
    latentShape,
    evaluations,
    async predict(latent, timestep) {
      const { key, graph, inputs, prompts } = wayAt(timestep);
      const program = await programs.get(`unet ${key}`, graph);
      const { prediction } = await program.run(inputs(latent, timestep));
      evaluations.forward += prompts;
      const { latent: own, output } = noiseCoefficients(schedule, timestep);
      return combine(own, latent, output, prediction as Float32Array);
    },
    async pullback(latent, timestep, cotangent) {
      const { key, graph, inputs, prompts } = wayAt(timestep);
      const program = await programs.get(`unet pullback ${key}`, () =>
        gradient(graph(), { of: 'prediction', wrt: ['latent'], cotangents: 'cotangent' }),
      );
      const result = await program.run({
        ...inputs(latent, timestep),
        cotangent: Float32Array.from(cotangent),
      });
      evaluations.pullback += prompts;
      const { latent: own, output } = noiseCoefficients(schedule, timestep);
      return combine(own, cotangent, output, result['grad:latent'] as Float32Array);
    },
  };
}

function noiseGraph(
  { config, weights, checkpointBlocks, latentShape }: DenoiserParts,
  prompts: 1 | 2,
  { tokens, width }: TextContext,
): Graph {
  const network = unet(config, weights, { checkpointBlocks });
  const shapes = {
    latent: { shape: latentShape },
    timestep: { shape: [1] },
    context: { shape: [prompts, tokens, width] },
  };
  if (config.time_cond_proj_dim) {
    const condition = { timestepCondition: { shape: [1, config.time_cond_proj_dim] } };
    return trace({ ...shapes, ...condition }, ({ latent, ...others }) => ({
      prediction: network({ sample: latent, ...others }),
    }));
  }
  if (prompts === 1) {
    return trace(shapes, ({ latent, timestep, context }) => ({
      prediction: network({ sample: latent, timestep, context }),
    }));
  }
  return trace({ ...shapes, guidance: { shape: [1] } }, ({ latent, timestep, context, guidance }) => {
    const sample = concat([latent, latent], 0);
    const both = network({ sample, timestep: expand(timestep, [2]), context });
    const [unconditional, conditional] = split(both, [1, 1], 0) as [Tensor, Tensor];
    return { prediction: add(unconditional, mul(guidance, sub(conditional, unconditional))) };
  });
}

function joined(first: TextContext, second: TextContext): TextContext {
  const data = new Float32Array(first.data.length + second.data.length);
  data.set(first.data);
  data.set(second.data, first.data.length);
  return { ...first, data };
}

/** `a·x + b·y` in float64. */
function combine(a: number, x: Float64Array, b: number, y: Float32Array): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = a * x[i] + b * y[i];
  return out;
}
