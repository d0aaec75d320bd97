/** @file Workloads that read the cross-attention: a step of Attend-and-Excite, and one of the fine-tuning by Separate-and-Enhance. */
import { type Pipeline, parseRequirement, separateEnhance } from 'sgool';
import type { Run, Workload } from './workload.ts';

/** Of the maps that both read: the largest of at most so many positions a side. */
const LARGEST_MAP = 16;

/** The gradient of the loss for the prompt alone, the moved latent, and the guided prediction for it. */
export async function attendAndExciteStep(
  pipeline: Pipeline,
  { prompt, guidanceScale, pixels, words, stepSize, timestep }: Workload,
  latent: Float64Array,
): Promise<Run> {
  const options = { prompt, guidanceScale, width: pixels, height: pixels };
  const denoiser = await pipeline.denoiser(options);
  const objective = await pipeline.attentionObjective(options, {
    loss: 'attend-and-excite',
    requirement: parseRequirement(words.join(' and ')),
    resolution: LARGEST_MAP,
    who: 'bench',
  });
  return async () => {
    const { loss, gradient } = await objective.evaluate(latent, timestep);
    const moved = latent.map((value, i) => value - stepSize * gradient[i]);
    return { loss: [loss], gradient, noise: await denoiser.predict(moved, timestep) };
  };
}

/** One update by Separate and Enhance and one by the regulariser, for one pair of words; keys are trained. */
export async function fineTuningStep(pipeline: Pipeline, { words, pixels }: Workload): Promise<Run> {
  const fineTuning = await separateEnhance(pipeline, {
    concepts: words,
    templates: ['a photo of a {1} and a {2}'],
    ...{ batch: 1, width: pixels, height: pixels },
  });
  const steps = fineTuning.steps();
  return async () => {
    const { value } = await steps.next();
    if (value === undefined) throw new Error('fine-tuning step: the fine-tuning is over');
    const { losses, gradientNorm } = value;
    const { separate, enhance } = losses;
    // The regulariser is left out: so early it is a difference in the last digits of two predictions.
    return { separate: [separate], enhance: [enhance], gradientNorm: [gradientNorm] };
  };
}
