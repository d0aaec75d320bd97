/**
 * @file A method is an async generator: the caller takes the iterations, reports progress and stops at any time.
 *
 * npx tsx examples/02-watch-iterations.ts
 */
import assert from 'node:assert/strict';
import { loadPipeline, methods } from 'sgool';

const pipeline = await loadPipeline('toybox');
const losses: number[] = [];
let networkCalls = 0;

const request = { prompt: 'a green star above a house', seed: 1, preset: 'fast' } as const;
const run = methods.sgool.run(pipeline, request, { onStep: () => networkCalls++ });
for await (const { iteration, loss, regions, evaluations } of run) {
  console.log(
    `${iteration}: loss ${loss?.total.toFixed(3)}, ${regions?.length} salient regions, ${evaluations.forward} UNet evaluations`,
  );
  losses.push(loss?.total ?? Number.NaN);
  if (iteration === 3) break; // Leaving the loop ends the run; an AbortSignal in the options ends it even within a step.
}
await pipeline.dispose();

assert.equal(losses.length, 4, 'iteration 0 is the plain image, then three updates of the noise');
assert(Math.min(...losses) < losses[0], 'the loss must fall');
assert(networkCalls > 0, 'onStep reports every denoising step');
