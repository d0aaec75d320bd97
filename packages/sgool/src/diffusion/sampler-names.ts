/** @file The names of the samplers, as users write them, and the settings that only some of them read. */

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

/** Settings that only some samplers read, with the value that asks for nothing, where there is one. */
export const SAMPLER_OPTIONS = {
  sigmas: {
    readBy: ['dpm-solver', 'dpm-2m-sde', 'dpm-sde', 'unipc', 'heun', 'lms', 'euler'],
    neutral: 'model',
  },
  eta: { readBy: ['ddim', 'tcd'], neutral: 0 },
  stepEnds: { readBy: ['ddim', 'edict'], neutral: 'reference' },
  mixingWeight: { readBy: ['edict'] },
  edictOutput: { readBy: ['edict'] },
} as const satisfies Readonly<
  Record<string, { readonly readBy: readonly SamplerName[]; readonly neutral?: unknown }>
>;
