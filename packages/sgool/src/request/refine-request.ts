/** @file What can be asked of `refine`: a request with an image to begin with instead of a seed. */
import { z } from 'zod';
import { UserError } from '../errors.ts';
import { mayChange } from '../image/mask.ts';
import { checkRequest, type GenerationRequest, requestSchema } from './request.ts';

const FITS = ['crop', 'letterbox'] as const;

/** What refining has beside the settings of a method, with its meaning kept where every surface finds it. */
export const refineShape = {
  sourcePrompt: z
    .string()
    .max(10_000)
    .refine((text) => text.trim() !== '', 'must not be empty')
    .describe('what the image shows now; where it differs from the prompt the image changes at once'),
  strength: z
    .number()
    .gt(0)
    .max(1)
    .describe('share of the denoising steps that are gone back: low keeps more of the image'),
  fit: z
    .enum(FITS)
    .describe(
      "how an image of another shape becomes the model's: its middle, or all of it with its edges drawn out",
    ),
  invertMask: z.boolean().describe('white in the mask protects, black may change'),
  feather: z
    .int()
    .min(0)
    .max(1024)
    .describe('width in pixels of the soft edge inside of what may change (a 64th of the shorter side)'),
};

const { mask } = requestSchema.shape;
const imageSchema = mask.unwrap();

export const refineSchema = requestSchema.omit({ method: true }).extend({
  image: imageSchema.describe('the image to refine'),
  mask: imageSchema.optional().describe('image that is white where the image may change, black where not'),
  sourcePrompt: refineShape.sourcePrompt.optional(),
  strength: refineShape.strength.default(1),
  fit: refineShape.fit.default('crop'),
  invertMask: refineShape.invertMask.default(false),
  feather: refineShape.feather.optional(),
});

/**
 * A request as callers write it: image and prompt are needed.
 *
 * @interface
 */
export type RefineRequest = z.input<typeof refineSchema>;
/** A request that passed the schema. */
export type ParsedRefineRequest = z.output<typeof refineSchema>;

/** What of a request is about the image. */
export type RefineSource = Pick<
  ParsedRefineRequest,
  'image' | 'mask' | 'sourcePrompt' | 'fit' | 'invertMask' | 'strength' | 'feather'
>;

/** The part of a request that methods know. */
export function generationRequest(request: ParsedRefineRequest): GenerationRequest {
  const { image, mask, sourcePrompt, fit, strength, invertMask, feather, ...asked } = request;
  return asked;
}

/** How far width / height of mask and image may differ, as a share: scaling rounds to whole pixels. */
const SHAPE_TOLERANCE = 0.02;

/**
 * Checks a request, and that its parts fit together.
 *
 * @throws UserError in one line that says what would be right
 */
export function parseRefineRequest(request: unknown): ParsedRefineRequest {
  const parsed = checkRequest(refineSchema, 'refine', request);
  const { image, invertMask, sampler } = parsed;
  if (sampler !== undefined && sampler !== 'edict') {
    throw new UserError(
      `refine: sampler must be edict, got ${sampler}; no other one can be walked back to the noise exactly`,
    );
  }
  if (parsed.mask === undefined) {
    if (invertMask) throw new UserError('refine: invertMask needs a mask; give one');
    return parsed;
  }
  const { width, height } = parsed.mask;
  const shape = (width / height) * (image.height / image.width);
  if (Math.abs(Math.log(shape)) > SHAPE_TOLERANCE) {
    throw new UserError(
      `refine: the mask is ${width} x ${height}, the image ${image.width} x ${image.height}; they must have the same shape`,
    );
  }
  if (!mayChange(parsed.mask, invertMask).includes(1)) {
    const [all, paint] = invertMask ? ['white', 'black'] : ['black', 'white'];
    throw new UserError(
      `refine: the mask is ${all} all over, so nothing may change; paint ${paint} what may, or switch invertMask`,
    );
  }
  return parsed;
}
