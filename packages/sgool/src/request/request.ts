/**
 * @file What can be asked for: one schema for library, command line and server.
 *
 * A request names a prompt and, beside it, only what should differ from the defaults of method and model. `Settings` is the
 * complete list of knobs; `settings.ts` fills it in.
 */
import { z } from 'zod';
import { SAMPLER_NAMES } from '../diffusion/samplers/named-sampler.ts';
import { UserError } from '../errors.ts';

export const METHOD_NAMES = ['sd', 'clip-guided', 'doodl', 'sgool', 'best-of'] as const;
export type MethodName = (typeof METHOD_NAMES)[number];

export const PRESETS = ['model', 'fast', 'paper'] as const;
export type Preset = (typeof PRESETS)[number];

export const SALIENCY_NAMES = [
  'transalnet',
  'grad-cam',
  'grad-cam++',
  'spectral-residual',
  'centre',
  'mask',
] as const;
export type SaliencyName = (typeof SALIENCY_NAMES)[number];

/** An option of a method, with its meaning kept where every surface finds it (`.description`). */
const settings = {
  width: z.int().min(8).max(4096).describe('width of the image in pixels'),
  height: z.int().min(8).max(4096).describe('height of the image in pixels'),
  steps: z.int().min(1).max(1000).describe('denoising steps'),
  guidanceScale: z.number().min(0).max(100).describe('classifier-free guidance; 1 or less switches it off'),
  guidanceStart: z
    .number()
    .min(0)
    .max(1)
    .describe('part of the way from noise (0) to image (1) at which guidance begins'),
  guidanceStop: z
    .number()
    .min(0)
    .max(1)
    .describe('and at which it ends; an unguided step costs half: one conditioning instead of two'),
  sampler: z
    .enum(SAMPLER_NAMES)
    .describe('who takes the denoising steps: one network call per step; edict: two, exactly invertible'),
  eta: z
    .number()
    .min(0)
    .max(1)
    .describe('fresh noise between the steps of ddim: 0 for none, 1 for as much as DDPM'),
  mixingWeight: z
    .number()
    .gt(0.5)
    .max(1)
    .describe("EDICT's p, the share each latent keeps when the pair mixes"),
  edictOutput: z
    .enum(['both', 'x'])
    .describe('whether the loss is taken of both latents of the EDICT pair or of x'),
  trajectory: z
    .enum(['invertible', 'checkpointed'])
    .describe('how the way back is remembered: recomputed by inversion, or one latent kept per step'),
  gradientSteps: z
    .int()
    .min(0)
    .max(1000)
    .describe('take the gradient through the last so many steps only; 0 for all (the true gradient)'),
  jacobianShare: z
    .number()
    .min(0)
    .max(1)
    .describe(
      'share of the network calls, drawn anew for each gradient, that it is taken through; the others cost nothing on the way back',
    ),

  iterations: z.int().min(0).max(10_000).describe('updates of the noise (best-of: further seeds)'),
  keep: z
    .enum(['loss', 'clip', 'last'])
    .describe('which iterate is best: lowest loss, highest CLIP A score, the last'),
  patience: z
    .int()
    .min(0)
    .max(10_000)
    .describe('stop after so many iterations in which the loss did not fall; 0 for never'),
  minImprovement: z
    .number()
    .min(0)
    .max(100)
    .describe('by how much the lowest loss must fall to count as fallen (patience)'),
  targetClip: z
    .number()
    .min(-100)
    .max(100)
    .describe('stop when CLIP A has reached this score; 100 for never'),

  lambda: z.number().min(0).max(1000).describe('weight of the salient regions beside the whole image'),
  saliency: z.enum(SALIENCY_NAMES).describe('who says where the eye goes'),
  saliencyEvery: z.int().min(0).max(10_000).describe('renew the map every so many iterations; 0 for once'),
  thresholdRule: z.enum(['otsu', 'quantile', 'fixed']).describe('how the map is cut into regions'),
  thresholdValue: z.number().min(0).max(1).describe('share of pixels below (quantile), or map value (fixed)'),
  regionPadding: z
    .number()
    .min(0)
    .max(2)
    .describe('margin on each side of a region, as a share of its longer side'),
  minRegionSide: z
    .number()
    .min(0)
    .max(1)
    .describe("smallest side of a region, as a share of the image's shorter side"),
  maxRegions: z.int().min(1).max(16).describe('how many regions, by saliency mass'),
  regionText: z
    .enum(['prompt', 'parts'])
    .describe('what a region answers to: the whole prompt, or whichever of its parts it is nearest to'),

  cutouts: z.int().min(0).max(256).describe('random cutouts of the whole image; 0 for the image itself'),
  cutSize: z
    .number()
    .gt(0)
    .max(1)
    .describe("smallest cutout, as a share of CLIP's input (or of an image that is smaller)"),
  cutPower: z.number().min(0).max(10).describe('below 1 prefers large cutouts, above 1 small ones'),
  cutReduction: z.enum(['min', 'mean']).describe('which distance counts: of the best cutout, or the mean'),
  saturatedGradient: z
    .enum(['clamp', 'through'])
    .describe('gradient of pixels beyond black or white: zero, or as if they were not cut off'),

  optimiser: z
    .enum(['doodl', 'normalised', 'adam', 'sign', 'line-search', 'trust-region'])
    .describe('how a gradient moves the noise'),
  gradScale: z.number().min(0).max(1e6).describe('factor on the gradient before it is clipped (doodl)'),
  clipGradient: z.number().gt(0).max(1e6).describe('largest size of a gradient element (doodl)'),
  momentum: z.number().min(0).lt(1).describe('share of the last step that is kept'),
  nesterov: z.boolean().describe('look ahead along the momentum (doodl)'),
  learningRate: z
    .number()
    .gt(0)
    .max(100)
    .describe(
      'size of a step: per element (adam, sign), its angle in radians (normalised), that of the first (line-search, trust-region)',
    ),
  perturbation: z.number().min(0).max(10).describe('standard deviation of the noise added to each update'),
  renormalise: z.boolean().describe('keep the length of the starting noise'),

  clipGuidanceScale: z
    .number()
    .min(0)
    .max(1e6)
    .describe('factor on the CLIP loss inside sampling (clip-guided)'),
};

export const settingsSchema = z.strictObject(settings);
/**
 * Every setting, filled in.
 *
 * @interface
 */
export type Settings = z.output<typeof settingsSchema>;

const mask = z
  .object({
    width: z.int().min(1),
    height: z.int().min(1),
    // Not z.instanceof, whose type leaves out arrays over shared memory, and with them `Image`.
    data: z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'must be a Uint8Array'),
  })
  .describe('RGB image whose brightness is the saliency map (saliency "mask")');

export const requestSchema = z.strictObject({
  prompt: z
    .string()
    .max(10_000)
    .refine((text) => text.trim() !== '', 'must not be empty')
    .describe('what the image should show'),
  negativePrompt: z.string().max(10_000).default('').describe('what it should not show'),
  method: z.enum(METHOD_NAMES).default('sgool').describe('how the image is made'),
  model: z.string().min(1).default('toybox').describe('name of a model, or a folder in the diffusers layout'),
  seed: z.int().min(-1).default(-1).describe('seed of the starting noise; -1 draws one'),
  preset: z
    .enum(PRESETS)
    .describe("where defaults come from: tuned for the model, for few UNet evaluations, or the papers' own")
    .default('model'),
  mask: mask.optional(),
  ...settingsSchema.partial().shape,
});

/**
 * A request as callers write it: only the prompt is needed.
 *
 * @interface
 */
export type GenerationRequest = z.input<typeof requestSchema>;
/** A request that passed the schema. */
export type ParsedRequest = z.output<typeof requestSchema>;

/**
 * Checks a request.
 *
 * @throws UserError in one line: which key is wrong, what it is, what would be right; unknown keys with the valid ones
 */
export function parseRequest(request: unknown): ParsedRequest {
  return checkRequest(requestSchema, 'request', request);
}

/**
 * Checks a request against its schema.
 *
 * @param who names it in messages
 * @throws UserError as {@link parseRequest} does
 */
export function checkRequest<Schema extends z.ZodObject>(
  schema: Schema,
  who: string,
  request: unknown,
): z.output<Schema> {
  const result = schema.safeParse(request);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(schema.shape).join(', ');
    throw new UserError(`${who}: unknown key ${issue.keys.join(', ')}; choose from ${known}`);
  }
  const got = issue.path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown>)?.[key],
    request,
  );
  const shown = got === undefined ? 'nothing' : (JSON.stringify(got) ?? String(got)).slice(0, 80);
  const wanted =
    issue.code === 'invalid_value' ? `choose one of ${issue.values.join(', ')}` : lowerFirst(issue.message);
  throw new UserError(`${who}: ${issue.path.join('.') || 'it'} is not usable, got ${shown}; ${wanted}`);
}

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);
