/** @file The commands that make images, by what a record calls them: with it a run is repeated or gone on with. */
import { UserError } from '../../errors.ts';
import type { Host } from '../host.ts';
import { detailOptions, generateOptions, refineOptions, videoOptions } from '../options/image-options.ts';
import type { CliOption } from '../options/option.ts';
import type { ImageCommand } from '../options/read-options.ts';
import type { MadeImage } from './conclude.ts';
import { type BegunRun, detailImage, generateImage, generateVideo, refineImage } from './generation.ts';
import type { CommandKind } from './run-record.ts';

/** A command with the image that it begins with, if it does. */
export type AnyImageCommand = ImageCommand & { readonly image?: string };

interface ImageMaker {
  options(): CliOption[];
  make(command: AnyImageCommand, host: Host, begun?: BegunRun): Promise<MadeImage>;
}

/** A command that begins with an image and runs one method, which is no option of it. */
function onImage(
  options: () => CliOption[],
  make: (
    command: ImageCommand & { readonly image: string },
    host: Host,
    begun?: BegunRun,
  ) => Promise<MadeImage>,
): ImageMaker {
  return {
    options,
    make({ image, values: { method: _, ...values }, ...command }, host, begun) {
      if (image === undefined) throw new UserError('the record does not say which image the run began with');
      return make({ ...command, values, image }, host, begun);
    },
  };
}

export const IMAGE_COMMANDS: Readonly<Record<CommandKind, ImageMaker>> = {
  generate: { options: generateOptions, make: generateImage },
  video: { options: videoOptions, make: generateVideo },
  refine: onImage(refineOptions, refineImage),
  detail: onImage(detailOptions, detailImage),
};
