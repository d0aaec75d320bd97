/** @file The names of the samplers, as users write them. */

export const SAMPLER_NAMES = [
  'ddim',
  'edict',
  'pndm',
  'dpm-solver',
  'dpm-2m-sde',
  'dpm-sde',
  'unipc',
  'heun',
  'lms',
  'euler',
  'euler-ancestral',
  'lcm',
  'tcd',
] as const;
export type SamplerName = (typeof SAMPLER_NAMES)[number];

/** Whether the setting eta says how much fresh noise this sampler draws between its steps. */
export const takesEta = (sampler: SamplerName): boolean => sampler === 'ddim' || sampler === 'tcd';
