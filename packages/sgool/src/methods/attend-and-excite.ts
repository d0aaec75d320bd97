/**
 * @file Attend-and-Excite: in the first half of the steps, the latent moves down the gradient of a loss of the cross-attention, until
 * every thing of the prompt has a place that attends to it. The starting noise stays as it is.
 *
 * At a step i of N the latent becomes `z - s sqrt(1 - i / (2 (N - 1))) dL/dz`, with the gradient of one evaluation for the prompt alone.
 * At some steps it moves on until a threshold of attention is reached. As in the published code, the loss is compared with the threshold
 * before a move and not after it, so that there are two moves at least.
 *
 * What the attention shall do is a requirement (`objectives/attention/requirement.ts`) under one of several losses; the published one says
 * that each noun exists.
 *
 * Reference: Chefer et al. 2023, "Attend-and-Excite: Attention-Based Semantic Guidance for Text-to-Image Diffusion Models", its published
 * code, and diffusers' StableDiffusionAttendAndExcitePipeline.
 */
import type { Steering } from '../diffusion/steered-sampler.ts';
import { steeredSampler } from '../diffusion/steered-sampler.ts';
import { UserError } from '../errors.ts';
import type { AttentionObjective, AttentionResult } from '../objectives/attention/attention-objective.ts';
import {
  parseRequirement,
  type Requirement,
  requirementBuilder,
} from '../objectives/attention/requirement.ts';
import { type PromptWord, promptThings } from '../objectives/prompt-things.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { LOSS_FACTS } from '../request/attention-losses.ts';
import { type AttentionSettings, attentionSettings } from '../request/settings/attention.ts';
import { selectionSettings } from '../request/settings/selection.ts';
import type { SettingsOf } from '../request/settings/shape.ts';
import { stepOf } from '../request/step-of.ts';
import { MODEL_CLIP } from '../request/wanted-scorer.ts';
import { parsePrompt } from '../text/prompt/prompt.ts';
import type { MethodDefinition } from './run/method.ts';
import { guidedSampling, guidedSamplingSettings, plainAndGuided } from './run/plain-and-guided.ts';
import { assertFinite, denoiserOf, denoiserOptionsOf, type Run, samplerOf } from './run/run.ts';

const settings = {
  ...guidedSamplingSettings,
  // Losses of different steps cannot be compared.
  keep: selectionSettings.keep
    .exclude(['loss', 'objective'])
    .describe(selectionSettings.keep.description ?? ''),
  ...attentionSettings,
};
type AttendSettings = SettingsOf<typeof settings>;

export const attendAndExcite: MethodDefinition<'attend-and-excite', AttendSettings> = {
  name: 'attend-and-excite',
  summary: 'moves the latent of the first steps until every thing of the prompt is attended to',
  cost: 'a plain image before it, then steps, and up to half of them forward and back once more, or refine-steps times at thresholds',
  useFor: 'one of two or three things is missing, and the model has cross-attention',
  settings,
  ...guidedSampling,
  picturesOnly: true,
  // The published method returns its image, whatever CLIP says of it.
  defaults: () => ({ keep: 'last' }),
  check: (settings) => {
    const { tokens, require, attentionLoss } = settings;
    if (tokens !== '' && require !== '') {
      throw new UserError(
        'request: tokens and require both say what the attention must do; give one of them',
      );
    }
    if (tokens !== '' && !LOSS_FACTS[attentionLoss].relations.includes('exists')) {
      throw new UserError(
        `request: tokens says which things must exist, for which the attentionLoss ${attentionLoss} has no term; give require`,
      );
    }
    thresholdsOf(settings);
  },
  roles: ({ keep }) => ({ guides: [], selects: keep === 'last' ? [] : [MODEL_CLIP] }),
  async *run(pipeline, run) {
    const { settings, freshNoise } = run;
    if (settings.keep === 'clip') await pipeline.critic();
    const denoiser = await denoiserOf(pipeline, run);
    const sampler = samplerOf(pipeline, settings, { freshNoise });
    const objective = await objectiveOf(pipeline, run);
    const attending = steeredSampler(sampler, attend(objective, run, sampler.steps));
    yield* plainAndGuided(pipeline, run, {
      plain: { sampler, denoiser },
      guided: { sampler: attending, denoiser },
    });
  },
};

/** The loss of the attention that the settings ask for. */
async function objectiveOf(pipeline: Pipeline, run: Run<AttendSettings>): Promise<AttentionObjective> {
  const { settings, request } = run;
  const { attentionLoss: loss, attentionResolution: resolution } = settings;
  const { text } = parsePrompt(request.prompt, settings.promptSyntax, settings.steps);
  const { who, requirement } = requirementOf(run.method, text, settings);
  const options = denoiserOptionsOf(pipeline, run);
  const objective = await pipeline.attentionObjective(options, { loss, requirement, resolution, who });
  const isGiven = !['published', 'none'].includes(settings.refineThresholds.trim());
  if (isGiven && !objective.hasPresence) {
    throw new UserError(
      `${run.method}: refineThresholds: nothing is required to exist that a threshold could be compared with; use none`,
    );
  }
  return objective;
}

/** What the attention shall do, and the name of the option that says it. */
export function requirementOf(
  method: string,
  text: string,
  { tokens, require, attentionLoss }: Pick<AttentionSettings, 'tokens' | 'require' | 'attentionLoss'>,
): { who: string; requirement: Requirement } {
  if (require !== '') return { who: 'require', requirement: parseRequirement(require) };
  const built = requirementBuilder();
  if (tokens !== '') {
    for (const word of tokens.split(',')) built.exists(word.trim().toLowerCase());
    return { who: 'tokens', requirement: built.done() };
  }
  const { relations } = LOSS_FACTS[attentionLoss];
  const things = promptThings(text);
  const named = ({ word, occurrence }: PromptWord) => `${word}#${occurrence}`;
  for (const { noun, attributes } of things) {
    if (relations.includes('exists')) built.exists(named(noun));
    if (!relations.includes('belongs')) continue;
    for (const attribute of attributes) built.belongs(named(attribute), named(noun));
  }
  const requirement = built.done();
  if (things.length < 2 || requirement.words.length === 0) {
    const found = things.length === 0 ? 'none' : things.map(({ noun }) => noun.word).join(', ');
    throw new UserError(
      `${method}: needs a prompt with two things or more${things.length < 2 ? '' : ' and their attributes'}, got ${JSON.stringify(text.slice(0, 80))} (found: ${found}); name them with the option tokens or require`,
    );
  }
  return { who: method, requirement };
}

/**
 * The thresholds by the step at which they hold.
 *
 * @throws UserError where a step is not one of the chain, or has two thresholds, or a threshold is above 1
 */
export function thresholdsOf({
  refineThresholds: text,
  attentionLoss,
  steps,
}: Pick<AttentionSettings, 'refineThresholds' | 'attentionLoss'> & {
  steps: number;
}): ReadonlyMap<number, number> {
  const { thresholds: published } = LOSS_FACTS[attentionLoss];
  if (text.trim() === 'none') return new Map();
  if (text.trim() === 'published') return new Map(published.map(([at, least]) => [stepOf(at, steps), least]));
  const found = new Map<number, number>();
  for (const pair of text.split(',')) {
    const [place, threshold] = pair.split(':').map(Number);
    const step = stepOf(place, steps);
    if (!(Number.isInteger(step) && step < steps && threshold <= 1)) {
      throw new UserError(
        `request: refineThresholds: ${pair.trim()} is not usable; the step must be a share below 1 or a whole number below ${steps}, the threshold at most 1`,
      );
    }
    if (found.has(step)) {
      throw new UserError(
        `request: refineThresholds: ${pair.trim()} is the second threshold of step ${step} of ${steps}; give one for each step`,
      );
    }
    found.set(step, threshold);
  }
  return found;
}

/** Moves the latent of a step down the gradient of the loss. */
function attend(
  objective: AttentionObjective,
  { settings, signal, assumesMost }: Run<AttendSettings>,
  calls: number,
): Steering {
  const thresholds = thresholdsOf(settings);
  const until = stepOf(settings.attendUntil, settings.steps);
  return async (latent, step, timestep) => {
    const threshold = objective.hasPresence ? thresholds.get(step) : undefined;
    if (step >= until && threshold === undefined) return latent;
    // From 1 to 1/2 over all calls of the network, under the root.
    const stepSize = settings.attentionStepSize * Math.sqrt(1 - (0.5 * step) / Math.max(1, calls - 1));
    const evaluate = (at: Float64Array) => {
      signal?.throwIfAborted();
      return objective.evaluate(at, timestep);
    };
    const moved = (from: Float64Array, { loss, gradient }: AttentionResult) => {
      if (loss === 0) return from;
      assertFinite('the gradient of the attention', gradient);
      return from.map((value, i) => value - stepSize * gradient[i]);
    };
    let now = latent;
    let result = await evaluate(now);
    const misses = ({ presence = 1 }: AttentionResult) =>
      threshold !== undefined && (assumesMost() || presence < threshold);
    if (misses(result)) {
      for (let move = 1, compared = result; misses(compared) && move <= settings.refineSteps; move++) {
        // The first move goes down the gradient that is known.
        compared = move === 1 ? result : await evaluate(now);
        now = moved(now, compared);
      }
      result = await evaluate(now);
    }
    return step < until ? moved(now, result) : now;
  };
}
