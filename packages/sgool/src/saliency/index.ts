/** @file Floor 4: where the eye goes, and the regions that follow from it. */

export type { Detector, Picture, SaliencyMap } from './detector.ts';
export type { Region } from './regions.ts';
