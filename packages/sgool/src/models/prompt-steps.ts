/** @file Prompts that change from step to step, as one denoiser. */
import type { Denoiser } from '../diffusion/denoiser.ts';
import { UserError } from '../errors.ts';
import { type ParsedPrompt, type PromptSyntax, parsePrompt } from '../text/prompt/prompt.ts';
import type { TextContext } from './text-context.ts';

/** Where a prompt changes may be a share of the steps; with so many, every change shows. */
const MANY_STEPS = 1000;

/**
 * Reads a prompt for a run.
 *
 * @param timesteps of the run; needed where the prompt changes
 * @throws UserError where it changes and they are missing
 */
export function promptForSteps(
  prompt: string,
  syntax: PromptSyntax,
  timesteps: readonly number[] | undefined,
): ParsedPrompt {
  const parsed = parsePrompt(prompt, syntax, timesteps?.length ?? MANY_STEPS);
  if (timesteps === undefined && parsed.stages.length > 1) {
    throw new UserError(
      `denoiser: the prompt ${JSON.stringify(prompt.slice(0, 80))} changes from step to step; give timesteps, those of the sampler`,
    );
  }
  return parsed;
}

/**
 * The step of a time that a network gets: the number of steps before it, which are noisier.
 *
 * @param timesteps of the steps, noisiest first
 */
export const stepOfTime = (timesteps: readonly number[], timestep: number): number =>
  timesteps.filter((other) => other > timestep).length;

/** The conditioning of a prompt by step. */
export interface StagedContext {
  readonly stages: ParsedPrompt['stages'];
  readonly contexts: readonly TextContext[];
}

const stageIndex = ({ stages }: StagedContext, step: number) => {
  const found = stages.findIndex(({ until }) => step <= until);
  return found < 0 ? stages.length - 1 : found;
};

/**
 * A denoiser whose prompts change from step to step.
 *
 * @param create makes the denoiser of one pair of conditionings
 */
export function denoiserBySteps(
  conditional: StagedContext,
  unconditional: StagedContext,
  timesteps: readonly number[] | undefined,
  create: (conditional: TextContext, unconditional: TextContext) => Denoiser,
): Denoiser {
  const made = new Map<string, Denoiser>();
  const atStep = (step: number) => {
    const [own, negative] = [stageIndex(conditional, step), stageIndex(unconditional, step)];
    const key = `${own} ${negative}`;
    const denoiser = made.get(key) ?? create(conditional.contexts[own], unconditional.contexts[negative]);
    made.set(key, denoiser);
    return denoiser;
  };
  const first = atStep(0);
  if (timesteps === undefined || conditional.stages.length + unconditional.stages.length === 2) return first;
  const at = (timestep: number) => atStep(stepOfTime(timesteps, timestep));
  return {
    ...first,
    predict: (latent, timestep) => at(timestep).predict(latent, timestep),
    pullback: (latent, timestep, cotangent) => at(timestep).pullback(latent, timestep, cotangent),
  };
}
