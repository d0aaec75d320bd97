/** @file The models that can be written with random weights, by the names that the benchmarks give them. */
import { fluxSchnell, stableDiffusion35Medium } from './flows.ts';
import type { FullSizeModel } from './network-file.ts';
import { stableDiffusion14 } from './stable-diffusion.ts';

/** From the divisor of all widths (1 for the real ones; 2, 4 or 8 for smaller models of the same depth) to the model. */
export const FULL_SIZE_MODELS = {
  sd14: (divisor) => stableDiffusion14(divisor),
  'sd14-motion': (divisor) => stableDiffusion14(divisor, true),
  'sd35-medium': stableDiffusion35Medium,
  'flux-schnell': fluxSchnell,
} as const satisfies Readonly<Record<string, (divisor: number) => FullSizeModel>>;

export type FullSizeName = keyof typeof FULL_SIZE_MODELS;
export const FULL_SIZE_NAMES = Object.keys(FULL_SIZE_MODELS) as FullSizeName[];
