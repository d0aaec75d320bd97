/** @file The library's networks and methods, behind one import that only commands which run them make. */
import { refinement } from '../methods/edit/refine.ts';
import { estimateRun } from '../methods/estimate.ts';
import { methods } from '../methods/index.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import { chooseCompute } from '../runtime/compute.ts';
import type { Engine } from './host.ts';

export const engine: Engine = {
  methods,
  refinement,
  chooseCompute,
  openPipeline: loadPipeline,
  estimate: (model, options, run) =>
    estimateRun({ ...run, open: (programs) => loadPipeline(model, { ...options, programs }) }),
};
