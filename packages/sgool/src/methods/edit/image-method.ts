/** @file Methods that begin with an image instead of a seed. */
import type { Image, ImageSize } from '../../image/image.ts';
import type { ModelInfo } from '../../models/model-info.ts';
import type { MethodSettings } from '../../request/settings/index.ts';
import type { Method } from '../run/method.ts';

/** A method that begins with an image. */
export interface ImageMethod<Name extends string = string, S extends MethodSettings = MethodSettings>
  extends Method<Name, S> {
  /** The image as the method takes it, or the frames of a clip. @throws UserError where it cannot */
  prepare(size: ImageSize): { readonly images: readonly Image[] };
  /** Whether a model for inpainting paints what the mask leaves open, instead of changing what the image shows. */
  paints(model: Pick<ModelInfo, 'paintsMask'>): boolean;
  /** Lines for the user about how the image is taken, and what the model does with it. */
  notes(size: ImageSize, model: Pick<ModelInfo, 'paintsMask'>): string[];
}
