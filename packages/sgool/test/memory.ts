/**
 * @file Measures the peak of resident memory in one iteration of SGOOL on EDICT, for 10 steps and for 100, and prints both
 * as JSON.
 *
 *     npm run measure:memory -w sgool [-- checkpointed]
 *
 * Both are taken in one process after a first iteration, so that compiled programs, which are most of the memory, are
 * there already; the second peak may therefore not be below the first.
 */
import { loadPipeline, methods } from 'sgool';

const trajectory = process.argv[2] === 'checkpointed' ? 'checkpointed' : 'invertible';
const pipeline = await loadPipeline('toybox');

/** Bytes at the peak, as seen after each step. */
async function peakOfIteration(steps: number): Promise<number> {
  let peak = 0;
  const onStep = () => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const request = {
    prompt: 'a red cat and a blue boat',
    seed: 1,
    steps,
    iterations: 1,
    sampler: 'edict',
    trajectory,
    gradientSteps: 0,
    // One prompt instead of two halves the time and holds no less from step to step.
    guidanceScale: 1,
    saliency: 'spectral-residual',
  } as const;
  for await (const _ of methods.sgool.run(pipeline, request, { onStep }));
  return peak;
}

await peakOfIteration(10);
const peaks = {
  trajectory,
  bytesAt10Steps: await peakOfIteration(10),
  bytesAt100Steps: await peakOfIteration(100),
};
await pipeline.dispose();
process.stdout.write(`${JSON.stringify(peaks)}\n`);
