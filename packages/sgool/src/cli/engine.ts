/** @file The library's networks and methods, behind one import that only commands which run them make. */
import { chooseCompute, estimateRun, loadPipeline, methods, refinement } from '../guidance/index.ts';
import type { Engine } from './host.ts';

export const engine: Engine = {
  methods,
  refinement,
  chooseCompute,
  openPipeline: loadPipeline,
  estimate: (model, options, run) =>
    estimateRun({ ...run, open: (programs) => loadPipeline(model, { ...options, programs }) }),
};
