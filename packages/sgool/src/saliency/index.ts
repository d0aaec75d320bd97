/** @file Floor 4: where the eye goes, and the regions that follow from it. */

export type { Detector, SaliencyMap } from './detector.ts';
export { type GradCamOptions, type GradCamVariant, gradCamDetector, gradCamGraph } from './grad-cam.ts';
export {
  findRegions,
  type Region,
  type RegionOptions,
  saliencyThreshold,
  type ThresholdOptions,
} from './regions.ts';
export { centreDetector, maskDetector } from './simple-detectors.ts';
export { spectralResidual } from './spectral-residual.ts';
export {
  type TranSalNetDetectorOptions,
  transalnetDetector,
  transalnetGraph,
} from './transalnet-detector.ts';
