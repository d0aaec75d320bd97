/** @file `sgool refine <image> <prompt>`: reads the options; `generation.ts` does the work. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Host } from '../host.ts';
import { addImageOptions, readImageCommand } from '../options/image-options.ts';
import { refineOptions } from '../options/options.ts';
import { refineImage } from '../run/generation.ts';

const NOTES = `
The image is scaled to the size that the model makes (or --size); of another shape its middle is taken, unless --fit
letterbox keeps all of it. Transparent parts become white. Then the noise that it comes from is found, and optimised for the
prompt, so describe the whole image as it should become, not the change alone. With --from, which describes the image as
it is, what the two texts differ in changes at once, and the optimisation goes on from there: it is the way to larger changes.

With --mask only what is white in the mask may change: the rest keeps its pixels, byte for byte at the size of the result.
The mask has the shape of the image; grey counts as white from the middle on, transparent as black.

Less change: fewer --iterations, a lower --strength. None at all: --iterations 0 shows what the model's autoencoder keeps.

The folder of a run holds image.png (the best image so far), input.png (the image as the model takes it), before.png (how
it is before the optimisation), saliency.png, progress.png and run.json. Environment, sgool.config.json, Ctrl-C and exit codes
are as with generate.

Examples:
  sgool refine image.png "a blue cat and a green cup" --from "a red cat and a green cup"
  sgool refine photo.jpg "a red boat on a lake" --mask boat.png --iterations 40
  sgool refine image.png "a house at night" --mask keep.png --invert-mask --strength 0.6 --json`;

/** Adds arguments, options and the action. */
export function configure(command: Command, host: Host): void {
  const options = refineOptions();
  command
    .argument('<image>', 'an image: PNG, JPEG, WebP ...')
    .argument('<prompt>', 'what the image should show');
  addImageOptions(command, options)
    .addHelpText('after', NOTES)
    .action(async (image: string, prompt: string, flags: Readonly<Record<string, unknown>>) => {
      const read = await readImageCommand(command, prompt, flags, options, host);
      await refineImage({ ...read, image: resolve(host.cwd, image) }, host);
    });
}
