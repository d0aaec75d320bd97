/** @file One call from request to result, for callers who do not need the iterations. */

import { type LoadOptions, loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type PromptFileOptions, withPromptFiles } from '../pipeline/prompt-files.ts';
import { type GenerationRequest, methodFor, parseRequest } from './index.ts';
import type { Iteration, RunOptions } from './run/iteration.ts';

/** What `generate` returns. */
export interface Generation {
  /** The plain image, before any optimisation. */
  readonly before: Iteration;
  /** The best iterate: the result. */
  readonly best: Iteration;
  readonly last: Iteration;
}

/** Options of `generate`: how the model is opened, and callbacks of the run. */
export interface GenerateOptions extends RunOptions, LoadOptions, PromptFileOptions {
  /** A loaded model to use; without it the request's model is loaded and freed again. */
  readonly pipeline?: Pipeline;
  /** Called with every iteration. */
  readonly onIteration?: (iteration: Iteration) => void;
}

/**
 * Runs a request to its end.
 *
 * @throws UserError where the request or the model is not usable, or a gradient is not finite
 */
export async function generate(
  request: GenerationRequest,
  options: GenerateOptions = {},
): Promise<Generation> {
  const parsed = parseRequest(request);
  const { detail, ...given } = request;
  const pipeline =
    options.pipeline ?? (await loadPipeline(parsed.model, await withPromptFiles(options, parsed)));
  try {
    return await runToEnd(methodFor(request).run(pipeline, given, options), options);
  } finally {
    if (!options.pipeline) await pipeline.dispose();
  }
}

/** Goes through the iterations of a run and keeps the plain one, the best and the last. */
export async function runToEnd(
  iterations: AsyncIterable<Iteration>,
  { onIteration }: Pick<GenerateOptions, 'onIteration'> = {},
): Promise<Generation> {
  let before: Iteration | undefined;
  let best: Iteration | undefined;
  let last: Iteration | undefined;
  for await (const iteration of iterations) {
    onIteration?.(iteration);
    before ??= iteration;
    if (iteration.best) best = iteration;
    last = iteration;
  }
  if (!before || !best || !last) throw new Error('generate: the method yielded no iteration');
  return { before, best, last };
}
