/** @file `sgool refine <image> <prompt>`: reads the options; `generation.ts` does the work. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Host } from '../host.ts';
import { refineOptions } from '../options/options.ts';
import { addPictureOptions, readPictureCommand } from '../options/picture-options.ts';
import { refinePicture } from '../run/generation.ts';

const NOTES = `
The picture is scaled to the size that the model makes (or --size); of another shape its middle is taken, unless --fit
letterbox keeps all of it. Transparent parts become white. Then the noise that it comes from is found, and optimised for the
prompt, so describe the whole picture as it should become, not the change alone. With --from, which describes the picture as
it is, what the two texts differ in changes at once, and the optimisation goes on from there: it is the way to larger changes.

With --mask only what is white in the mask may change: the rest keeps its pixels, byte for byte at the size of the result.
The mask has the shape of the picture; grey counts as white from the middle on, transparent as black.

Less change: fewer --iterations, a lower --strength. None at all: --iterations 0 shows what the model's autoencoder keeps.

The folder of a run holds image.png (the best picture so far), input.png (the picture as the model takes it), before.png (how
it is before the optimisation), saliency.png, progress.png and run.json. Environment, sgool.config.json, Ctrl-C and exit codes
are as with generate.

Examples:
  sgool refine picture.png "a blue cat and a green cup" --from "a red cat and a green cup"
  sgool refine photo.jpg "a red boat on a lake" --mask boat.png --iterations 40
  sgool refine picture.png "a house at night" --mask keep.png --invert-mask --strength 0.6 --json`;

/** Adds arguments, options and the action. */
export function configure(command: Command, host: Host): void {
  const options = refineOptions();
  command
    .argument('<image>', 'a picture: PNG, JPEG, WebP ...')
    .argument('<prompt>', 'what the picture should show');
  addPictureOptions(command, options)
    .addHelpText('after', NOTES)
    .action(async (image: string, prompt: string, flags: Readonly<Record<string, unknown>>) => {
      const read = await readPictureCommand(command, prompt, flags, options, host);
      await refinePicture({ ...read, image: resolve(host.cwd, image) }, host);
    });
}
