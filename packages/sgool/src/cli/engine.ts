/** @file The library's networks and methods, behind one import that only commands which run them make. */
import { estimateRun, loadPipeline, methods, refinement } from '../guidance/index.ts';
import type { Engine } from './host.ts';
import type { DeviceName } from './model-options.ts';

export const engine: Engine = {
  methods,
  refinement,
  openPipeline: (model, { device, ...options }) =>
    loadPipeline(model, { ...options, device: device as DeviceName }),
  estimate: (model, { device, ...options }, run) =>
    estimateRun({
      ...run,
      open: (programs) => loadPipeline(model, { ...options, device: device as DeviceName, programs }),
    }),
};
