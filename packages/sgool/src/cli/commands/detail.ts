/** @file `sgool detail <image> <prompt>`: reads the options and repaints the regions of the image. */
import type { Command } from 'commander';
import { DETAIL } from '../../methods/detail/detail-request.ts';
import type { Host } from '../host.ts';
import { inputPath } from '../inputs.ts';
import { detailOptions } from '../options/image-options.ts';
import { addImageOptions, type ImageCommandKind, readImageCommand } from '../options/read-options.ts';
import { explainPrompts } from '../run/explain-prompts.ts';
import { detailImage } from '../run/generation.ts';
import { isSeries, makeSeries } from '../run/series.ts';

const NOTES = `
The image keeps its size, and all that lies outside of the regions its exact
values. The regions are those that the saliency model finds, or the white parts
of --mask, or each --box. One after the other is cut out with --detail-padding
around it, enlarged to the size of the model (or --size), noised to the start of
the last --detail-strength of the steps, sampled again under its text, and put
back with a soft edge. More strength changes more.

A region is repainted under the prompt; with --region-text parts under the part
of the prompt that fits it best (by CLIP); with --region-prompt under its own
text: "a cat [SEP] a boat" is one for each, in the order of --region-order,
[PROMPT] stands for the prompt, [SKIP] leaves a region as it is.

The settings are those of After Detailer. Not here are its detectors of faces and
hands and their classes, another checkpoint or VAE for regions, its noise
multiplier, face restoration and ControlNet.

The output folder holds image.png, before.png and input.png (the image as it
was), saliency.png (the regions), progress.png and run.json. --count, --prompts,
environment, sgool.config.json, Ctrl-C (regions that are done are kept), resume,
repeat and exit codes work as in sgool generate.

Examples:
  sgool detail photo.jpg "a red cat and a blue boat" --region-text parts
  sgool detail photo.jpg "a cat on a roof" --box 120,40,200,180 --detail-strength 0.5
  sgool detail photo.jpg "two cats" --box 20,40,90,90 --box 150,40,90,90 --region-prompt "a red cat [SEP] a black cat"
  sgool detail photo.jpg "a sleeping dog" --mask dog.png --max-regions 1 --count 4`;

/** Adds arguments, options and the action. */
export function configure(command: Command, host: Host): void {
  const kind: ImageCommandKind = {
    options: detailOptions(),
    subject: () => ({ method: DETAIL, title: DETAIL.name }),
  };
  command
    .argument('<image>', 'image file: PNG, JPEG, WebP ..., or - for the standard input')
    .argument('[prompt]', 'what the image shows; needed unless --prompts gives prompts');
  addImageOptions(command, kind.options)
    .addHelpText('after', NOTES)
    .action(async (path: string, prompt: string | undefined, flags: Readonly<Record<string, unknown>>) => {
      const read = await readImageCommand(command, prompt, flags, kind, host);
      const detailed = { ...read, image: inputPath(path, host) };
      if (read.values.explain) await explainPrompts(read, host);
      else if (isSeries(detailed)) await makeSeries('detail', detailed, host);
      else await detailImage(detailed, host);
    });
}
