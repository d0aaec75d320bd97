/** @file The UNet's cross-attention under one prompt: programs that compute from its maps, and differentiate through it. */
import { gradient, reshape, type Tensor, trace, type Weights } from '@sgool/autodiff';
import { required } from '../../errors.ts';
import { crossAttentionLayers } from '../../networks/unet/cross-attention-layers.ts';
import { unet } from '../../networks/unet/unet.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import type { CrossAttention, MapsComputation } from '../cross-attention.ts';
import type { TextContext } from '../text-context.ts';
import type { PromptTokens } from './text-encoding.ts';
import { inputNumbers, tracedInputs, type UNetInputParts } from './unet-inputs.ts';

/** What it is made of. */
export interface CrossAttentionParts extends UNetInputParts {
  readonly programs: ProgramCache;
  readonly weights: Weights;
  /** Whether gradients compute the activations of blocks without maps again instead of keeping them. */
  readonly checkpointBlocks: boolean;
  /** Of the prompt. */
  readonly conditional: TextContext;
  readonly promptTokens: PromptTokens;
  /** Counted up by every run. */
  readonly evaluations: { forward: number; pullback: number };
}

/** The cross-attention for latents of one size. */
export function createCrossAttention(parts: CrossAttentionParts): CrossAttention {
  const { programs, config, latentShape, conditional, promptTokens, evaluations } = parts;
  const [, , rows, columns] = latentShape;
  const numbers = inputNumbers(parts, conditional);
  return {
    layers: crossAttentionLayers(config, rows, columns),
    tokens: conditional.tokens,
    ...promptTokens,
    program(computation) {
      const { key, differentiated } = computation;
      const name = `unet attention 1x${latentShape.join('x')}, ${conditional.tokens} tokens, ${key}`;
      return async (latent, timestep, inputs = {}) => {
        const program = await programs.get(name, () => computationGraph(parts, computation));
        const results = await program.run({ ...numbers(latent, timestep), ...inputs });
        evaluations.forward++;
        if (differentiated === undefined) return results as Record<string, Float32Array>;
        evaluations.pullback++;
        const { 'grad:latent': ofLatent, ...others } = results as Record<string, Float32Array>;
        return { ...others, gradient: ofLatent };
      };
    },
  };
}

function computationGraph(
  parts: CrossAttentionParts,
  { layers, inputs: more = {}, outputs, differentiated }: MapsComputation,
) {
  const { shapes, read } = tracedInputs(parts, 1, parts.conditional);
  const graph = trace({ ...shapes, ...more }, (given) => {
    const found = new Map<string, Tensor>();
    const attentionMaps = {
      layers: new Set(layers.map(({ name }) => name)),
      report: (name: string, probabilities: Tensor) => void found.set(name, probabilities),
    };
    const { config, weights, checkpointBlocks } = parts;
    unet(config, weights, { attentionMaps, checkpointBlocks })(read(given));
    const maps = layers.map(({ name, heads, rows, columns }) =>
      reshape(required(found.get(name), name), [heads, rows, columns, parts.conditional.tokens]),
    );
    return outputs(maps, given);
  });
  if (differentiated === undefined) return graph;
  const keep = [...graph.outputs.keys()];
  return gradient(graph, { of: differentiated, wrt: ['latent'], keep });
}
