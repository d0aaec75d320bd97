/** @file `sgool refine <image> <prompt>`: reads the options and makes the image or the clip. */
import type { Command } from 'commander';
import { REFINE } from '../../methods/edit/refine-request.ts';
import type { Host } from '../host.ts';
import { inputPath } from '../inputs.ts';
import { refineOptions } from '../options/image-options.ts';
import { addImageOptions, type ImageCommandKind, readImageCommand } from '../options/read-options.ts';
import { explainPrompts } from '../run/explain-prompts.ts';
import { refineImage } from '../run/generation.ts';
import { isSeries, makeSeries } from '../run/series.ts';

const NOTES = `
The image is scaled to the size of the model (or --size). If its shape is
another one, its middle is used; --fit letterbox keeps all of it. Transparent
parts become white. The image is then inverted to the noise that it comes from,
and that noise is optimised for the prompt. Describe the whole image as it
should become, not the change alone. With --from, which describes the image as
it is now, the difference between the two texts takes effect at once, and the
optimisation continues from there; use it for larger changes.

With --mask only the white part of the mask may change: all other pixels of the
result keep their exact values. The mask must have the shape of the image; grey
counts as white if it is brighter than the middle, a colour by its luma,
transparent as black.

A model for inpainting (9 input channels) paints the white part of the mask from
the noise of the seed: nothing is inverted, the sampler and the guidance are
those of generation, and with a --strength below 1 the noised image is the start.
--iterations 0 is then plain inpainting. This takes the place of --edit edict;
the other edits and --from are refused there.

With --edit sdedit the image is not inverted: it gets as much noise as --strength
(0.8) of the steps begins with, and is sampled again under the prompt, by any
sampler and with guidance, as image-to-image pipelines do. It is quick, needs no
CLIP, differs from seed to seed, and keeps less of the image. With --mask the
protected part is put in at every step. --iterations optimises the noised latent.

With --edit p2p (Prompt-to-Prompt) the image is inverted under --from, which must
describe it, and sampled again under the prompt with the attention of --from:
for a swapped word ("a cat" to "a dog"), for added words, and with --reweight
red=2 for words that count more. It is quick and needs no CLIP. A lower
--cross-replace allows larger changes of shape.

With --edit rf-inversion, on a rectified flow (Stable Diffusion 3, Flux), the
image is taken to a noise under --from, or under no text, and sampled again under
the prompt while the first steps are drawn back to the image. It needs no CLIP. A
lower --control-eta or --control-stop changes more, --iterations optimises the
noise as well. An exact inversion of a flow is --edit edict.

A clip (animated WebP, PNG or GIF; MP4 where ffmpeg is) becomes a clip, with a
model that makes clips: --motion, as in sgool video. All edits but rf-inversion
work on it, a mask holds for all its frames. --fps takes fewer or more frames of
it, --frames the first so many; more than the adapter sees at once need
--context-frames. Frames that the file joined because they stand still come apart
again. The folder then holds clip.webp and clip.png in place of image.png.

For less change, use fewer --iterations or a lower --strength. --iterations 0
shows the image as the autoencoder reproduces it (unless there is --from,
--edit sdedit, --edit rf-inversion, or a model for inpainting with --mask).

The output folder holds image.png (the best image so far), input.png (the image
as scaled for the model), before.png (the image before the optimisation),
saliency.png, progress.png and run.json. --count, --prompts, environment,
sgool.config.json, Ctrl-C and exit codes work as in sgool generate.

Examples:
  sgool refine image.png "a blue cat and a green cup" --from "a red cat and a green cup"
  sgool refine photo.jpg "a red boat on a lake" --mask boat.png --iterations 40
  sgool refine image.png "a house at night" --mask keep.png --invert-mask --strength 0.6 --json
  sgool refine sketch.png "a red boat on a lake" --edit sdedit --strength 0.7 --count 4
  sgool refine image.png "a blue cat" --edit p2p --from "a red cat" --cross-replace 0.4
  sgool refine photo.jpg "a dog" --model ./flux-dev --edit rf-inversion --control-eta 0.8
  sgool refine photo.jpg "a cat" --target-image my-cat.jpg:2
  sgool refine clip.webp "a blue cat that drifts left" --from "a red cat that drifts left"`;

/** Adds arguments, options and the action. */
export function configure(command: Command, host: Host): void {
  const kind: ImageCommandKind = {
    options: refineOptions(),
    subject: () => ({ method: REFINE, title: REFINE.name }),
  };
  command
    .argument('<image>', 'image or clip: PNG, JPEG, WebP, GIF ..., or - for the standard input')
    .argument('[prompt]', 'what the image should show; needed unless --prompts gives prompts');
  addImageOptions(command, kind.options)
    .addHelpText('after', NOTES)
    .action(async (path: string, prompt: string | undefined, flags: Readonly<Record<string, unknown>>) => {
      const read = await readImageCommand(command, prompt, flags, kind, host);
      const refined = { ...read, image: inputPath(path, host) };
      if (read.values.explain) await explainPrompts(read, host);
      else if (isSeries(refined)) await makeSeries('refine', refined, host);
      else await refineImage(refined, host);
    });
}
