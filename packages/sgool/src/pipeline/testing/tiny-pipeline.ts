/** @file For tests: a pipeline of the tiny model, for all tests of a file or of a group. */
import { afterAll, beforeAll } from 'vitest';
import { type LoadOptions, loadPipeline } from '../load-pipeline.ts';
import type { Pipeline } from '../pipeline.ts';
import { writeTinyModel } from '../testing.ts';

/**
 * Opens a pipeline before the first test, and disposes of it and removes its model after the last.
 *
 * @param take gets the pipeline and the folder of its model
 */
export function useTinyPipeline(
  take: (pipeline: Pipeline, dir: string) => void,
  options: LoadOptions = {},
): void {
  let close = async () => {};
  beforeAll(async () => {
    const model = await writeTinyModel();
    close = model.remove;
    const pipeline = await loadPipeline(model.dir, options);
    close = async () => {
      await pipeline.dispose();
      await model.remove();
    };
    take(pipeline, model.dir);
  });
  afterAll(() => close());
}
