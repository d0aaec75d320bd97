/** @file A request to `detail`: the settings of the method, and an image to repaint instead of a seed. */
import { z } from 'zod';
import type { Image } from '../../image/image.ts';
import {
  checkRequest,
  commonShape,
  INPUTS,
  imageSchema,
  type MethodRequest,
  type MethodSchema,
  noSuchOption,
} from '../../request/request.ts';
import { METHODS } from '../index.ts';
import { detail } from './detail.ts';

/** The method that `detail` runs. */
export const DETAILING_METHOD = detail.name;

/** The options of `detail`, for error messages. */
export const DETAIL: MethodSchema = { name: 'detail', settings: detail.settings, inputs: detail.inputs };

const detailSchema = z.strictObject({
  ...commonShape,
  ...z.object(detail.settings).partial().shape,
  image: imageSchema.describe('the image whose regions are repainted'),
  mask: INPUTS.mask.optional(),
});

/**
 * A request as callers write it: image and prompt are needed.
 *
 * @interface
 */
export type DetailRequest = Omit<MethodRequest, 'targetImages'> & { readonly image: Image };

/** Checks a request. @throws UserError in one line that says what would be right */
export function parseDetailRequest(request: unknown): DetailRequest {
  const foreign = (key: string) => noSuchOption('detail', key, METHODS);
  return checkRequest(detailSchema, 'detail', request, foreign) as DetailRequest;
}
