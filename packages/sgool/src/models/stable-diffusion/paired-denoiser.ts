/**
 * @file Two prompts side by side, of which the attention of the second follows that of the first.
 *
 * Reference: Hertz et al. 2022, "Prompt-to-Prompt Image Editing with Cross Attention Control", algorithm 1, sections 3.2 and 4.
 */
import {
  add,
  concat,
  expand,
  type Graph,
  matmul,
  mul,
  resident,
  split,
  sub,
  type Tensor,
  trace,
  type Weights,
} from '@sgool/autodiff';
import type { Denoiser } from '../../diffusion/denoiser.ts';
import type { Schedule } from '../../diffusion/schedule.ts';
import { type AttentionEdit, type Motion, unet } from '../../networks/unet/unet.ts';
import type { UNetConfig } from '../../networks/unet/unet-config.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import type { PairedOptions } from '../backbone.ts';
import { framesOf } from '../frames.ts';
import type { TextContext } from '../text-context.ts';

/** Whether a map follows in its self-attention. That of larger ones would copy the details of the source: as in the published code. */
export const followsItself = (rows: number, columns: number): boolean => rows * columns <= 16 * 16;

/** What it is made of. */
export interface PairedDenoiserParts extends Omit<PairedOptions, 'sourcePrompt'> {
  readonly programs: ProgramCache;
  readonly config: UNetConfig;
  readonly weights: Weights;
  /** What mixes the frames of clips. */
  readonly motion?: Motion | undefined;
  readonly schedule: Schedule;
  /** Of the negative prompt, the source prompt and the prompt; each is one chunk. */
  readonly contexts: readonly TextContext[];
  /** With 1 or less the negative prompt is left out. */
  readonly guidanceScale: number;
  /** Of one chain, `[1, channels, height, width]`; of clips `[1, channels, frames, height, width]`. */
  readonly latentShape: readonly number[];
  /** The times of the sampler's steps, noisiest first. */
  readonly timesteps?: readonly number[];
  readonly evaluations: { forward: number; pullback: number };
}

/** The denoiser of both chains; see `Backbone.pairedDenoiser`. */
export function createPairedDenoiser(parts: PairedDenoiserParts): Denoiser {
  const { programs, schedule, guidanceScale, latentShape, timesteps = [], evaluations } = parts;
  const isGuided = guidanceScale > 1;
  const contexts = isGuided ? parts.contexts : parts.contexts.slice(1);
  const [{ tokens, width }] = contexts;
  const name = `unet paired ${contexts.length}x${latentShape.join('x')}, ${tokens} tokens`;
  const fixed = {
    context: resident(Float32Array.from(contexts.flatMap(({ data }) => [...data]))),
    ...(isGuided && { guidance: Float32Array.of(guidanceScale) }),
  };
  const follows = { mapping: parts.mapping, keep: parts.keep };
  const alone = { mapping: new Float32Array(tokens * tokens), keep: new Float32Array(tokens).fill(1) };
  return {
    latentShape: [2, ...latentShape.slice(1)],
    predicts: schedule.predicts,
    evaluations,
    async predict(latent, timestep) {
      const program = await programs.get(name, () => pairedGraph(parts, contexts.length, { tokens, width }));
      // The step of a time is the number of steps before it, which are noisier.
      const step = timesteps.filter((other) => other > timestep).length;
      const { prediction } = await program.run({
        ...fixed,
        latent: Float32Array.from(latent),
        timestep: Float32Array.of(timestep),
        ...(step < parts.crossShare * timesteps.length ? follows : alone),
        self: Float32Array.of(step < parts.selfShare * timesteps.length ? 1 : 0),
      });
      evaluations.forward += contexts.length;
      return Float64Array.from(prediction as Float32Array);
    },
    pullback() {
      throw new Error('paired denoiser: it has no gradient');
    },
  };
}

/** A trace of the network for the negative prompt, if there are three, the source and the target. */
function pairedGraph(
  {
    config,
    weights,
    motion,
    latentShape,
  }: Pick<PairedDenoiserParts, 'config' | 'weights' | 'motion' | 'latentShape'>,
  prompts: number,
  { tokens, width }: Pick<TextContext, 'tokens' | 'width'>,
): Graph {
  const isGuided = prompts === 3;
  const shapes = {
    latent: { shape: [2, ...latentShape.slice(1)] },
    timestep: { shape: [1] },
    context: { shape: [prompts, tokens, width] },
    mapping: { shape: [tokens, tokens] },
    keep: { shape: [tokens] },
    self: { shape: [1] },
    ...(isGuided && { guidance: { shape: [1] } }),
  };
  const ones = (count: number) => new Array<number>(count).fill(1);
  return trace(shapes, (given) => {
    const { latent, timestep, context, mapping, keep, self, guidance } = given as Readonly<
      Record<string, Tensor>
    >;
    /** Changes the last sample, by itself and the one before it; of clips with all its frames. */
    const lastOf = (probabilities: Tensor, change: (source: Tensor, target: Tensor) => Tensor) => {
      const samples = split(probabilities, new Array<number>(prompts).fill(framesOf(latentShape)), 0);
      const [source, target] = samples.slice(-2);
      return concat([...samples.slice(0, -1), change(source, target)], 0);
    };
    const attentionEdit: AttentionEdit = ({ kind, rows, columns }) => {
      if (kind === 'cross') {
        return (p) => lastOf(p, (source, target) => add(matmul(source, mapping), mul(target, keep)));
      }
      if (!followsItself(rows, columns)) return undefined;
      return (p) => lastOf(p, (source, target) => add(mul(self, source), mul(sub(1, self), target)));
    };
    const [source, target] = split(latent, [1, 1], 0);
    const sample = concat(isGuided ? [target, source, target] : [source, target], 0);
    const all = unet(config, weights, { attentionEdit, motion })({
      sample,
      timestep: expand(timestep, [prompts]),
      context,
    });
    const predictions = split(all, ones(prompts), 0);
    if (!isGuided) return { prediction: all };
    const [without, ofSource, ofTarget] = predictions;
    const guided = add(without, mul(guidance, sub(ofTarget, without)));
    return { prediction: concat([ofSource, guided], 0) };
  });
}
