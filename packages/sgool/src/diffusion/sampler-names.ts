/** @file The names of the samplers, as users write them, the paths that they work on, and the settings that only some of them read. */
import { oneOf, UserError } from '../errors.ts';
import type { PathKind } from './noise-path.ts';

export const SAMPLER_NAMES = [
  'ddim',
  'edict',
  'pndm',
  'dpm-solver',
  'dpm-2m-sde',
  'dpm-sde',
  'unipc',
  'heun',
  'midpoint',
  'reversible-heun',
  'lms',
  'euler',
  'euler-ancestral',
  'lcm',
  'tcd',
] as const;
export type SamplerName = (typeof SAMPLER_NAMES)[number];

/** Samplers that carry a pair of latents through their steps, and so have an exact inverse. */
export const PAIR_SAMPLERS = ['edict', 'reversible-heun'] as const satisfies readonly SamplerName[];

/** Whether a sampler carries a pair of latents. */
export const isPairSampler = (sampler: string): boolean =>
  (PAIR_SAMPLERS as readonly string[]).includes(sampler);

/** Settings that only some samplers read, with the value that asks for nothing, where there is one. */
export const SAMPLER_OPTIONS = {
  sigmas: {
    readBy: [
      'dpm-solver',
      'dpm-2m-sde',
      'dpm-sde',
      'unipc',
      'heun',
      'midpoint',
      'reversible-heun',
      'lms',
      'euler',
    ],
    neutral: 'model',
  },
  eta: { readBy: ['ddim', 'tcd'], neutral: 0 },
  stepEnds: { readBy: ['ddim', 'edict'], neutral: 'reference' },
  mixingWeight: { readBy: ['edict'] },
  edictOutput: { readBy: ['edict'] },
} as const satisfies Readonly<
  Record<string, { readonly readBy: readonly SamplerName[]; readonly neutral?: unknown }>
>;

/** Samplers that do not work on a kind of path, and why. */
const NOT_ON: Readonly<Record<PathKind, Partial<Record<SamplerName, string>>>> = {
  'variance-preserving': {
    'reversible-heun': 'its pair of latents drifts apart there',
  },
  'rectified-flow': {
    pndm: 'its weights are for steps of equal length',
    'dpm-sde': 'it divides by the signal, and there is none where a flow begins',
    tcd: 'it belongs to models that were distilled from Stable Diffusion',
  },
};

const IN_WORDS: Readonly<Record<PathKind, string>> = {
  'variance-preserving': 'with a variance-preserving schedule',
  'rectified-flow': 'on a rectified flow',
};

/** The samplers that work on a kind of path. */
export const samplersOn = (kind: PathKind): SamplerName[] =>
  SAMPLER_NAMES.filter((name) => NOT_ON[kind][name] === undefined);

/** @throws UserError for a sampler that does not work on that kind of path */
export function refuseSampler(sampler: SamplerName, kind: PathKind): void {
  const why = NOT_ON[kind][sampler];
  if (why === undefined) return;
  throw new UserError(
    `sampler: ${sampler} is not supported ${IN_WORDS[kind]}, because ${why}; use ${oneOf(samplersOn(kind))}`,
  );
}
