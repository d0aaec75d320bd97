/** @file Time and memory of a fine-tuning, before it starts: a dry run of its first steps. */
import { type EstimateOptions, estimateIterations, type RunEstimate } from '../methods/estimate.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type FineTuneRequest, separateEnhance } from './separate-enhance.ts';

/** Copies of the trained weights that are held beside the programs: the weights before and now, two moments, what an update writes, gradients. */
const COPIES = 10;

/**
 * Estimates a fine-tuning.
 *
 * @param steps of the whole
 * @throws UserError where the fine-tuning itself would
 */
export async function estimateFineTuning({
  request,
  steps,
  ...options
}: Pick<EstimateOptions, 'open' | 'machine'> & {
  readonly request: FineTuneRequest;
  readonly steps: number;
}): Promise<RunEstimate> {
  let parameters = 0;
  async function* run(pipeline: Pipeline, last: number) {
    const fineTuning = await separateEnhance(pipeline, { ...request, steps: last + 1 });
    parameters = fineTuning.parameters;
    yield* fineTuning.steps();
  }
  const estimate = await estimateIterations({ ...options, run, iterations: steps - 1 });
  return { ...estimate, memoryBytes: estimate.memoryBytes + 4 * COPIES * parameters };
}
