/** @file `sgool generate <prompt>`: reads the options and makes the image. */
import type { Command } from 'commander';
import { DETAIL } from '../../methods/detail/detail-request.ts';
import { type MethodName, methodFor, methodOf } from '../../methods/index.ts';
import type { Host } from '../host.ts';
import { generateOptions } from '../options/image-options.ts';
import { addImageOptions, type ImageCommandKind, readImageCommand } from '../options/read-options.ts';
import { explainPrompts } from '../run/explain-prompts.ts';
import { generateImage } from '../run/generation.ts';
import { isSeries, makeSeries } from '../run/series.ts';

const NOTES = `
An option marked with [only ...], or in a group that is, belongs to those
methods; other methods refuse it. Defaults depend on the method and the model;
run.json lists the value of every setting. A value comes from the command line,
else from the environment (--guidance is SGOOL_GUIDANCE), else from
sgool.config.json in the current folder ({ "guidanceScale": 5 }).

The output folder holds image.png (the best image so far), before.png (the plain
image), saliency.png, progress.png and run.json. The path of image.png goes to
stdout, progress to stderr. Ctrl-C stops the run and keeps the best image so
far, a second one stops at once; SIGTERM and SIGHUP stop it within ten seconds.
sgool resume <folder> goes on with a run that was stopped or died, sgool runs
lists them. Exit codes: sgool --help.

With --count N or --prompts the folder holds one such folder for each run,
summary.json, and grid.png with all the images. The model is loaded once. stdout
gets one path (or, with --json, one object) for each run.

--target-image steers towards a picture: in the CLIP loss and score it counts
beside the text, by the weights (cat.png:0.5, --text-weight). Of several the
weighted mean is the target. CLIP sees the middle square of each, whatever its
size; the salient regions of sgool are compared with that whole square, too.
--clip-prompt gives CLIP another text than the one that the image is made from.

--optimise-from moves a later latent than the starting noise: the steps before
it run once. 0.3 leaves the first 30 % of the steps, and with them the
composition, as they are; 15 leaves 15 steps.

--detail repaints the salient regions of the result, one after the other, each
enlarged to the size of the image, at --detail-strength of the steps, and puts it
back with a soft edge, as After Detailer does; --method detail is that behind a
plain image, sgool detail <image> the same for any image. --box says the regions
instead, --region-prompt "a cat [SEP] a boat" what each shall show.

Examples:
  sgool generate "a red cat to the left of a blue boat"
  sgool generate "a green star above a house" --method doodl --seed 7 --iterations 20
  sgool generate "two yellow ducks" --method best-of --iterations 9 --out ducks
  sgool generate "a cat in a window" --mask window.png
  sgool generate "a red cat" --seed 7 --count 12 --out cats
  sgool generate --prompts prompts.txt --method sd
  sgool generate "a (red:1.3) cat" --explain
  sgool generate "a purple fish" --method sd --json --quiet
  sgool generate "a cat" --target-image my-cat.jpg --text-weight 0.5
  sgool generate "a red cat on a boat" --method doodl --detail --region-text parts
  sgool generate "a cat on a boat" --clip-prompt "a red cat" --optimise-from 0.3`;

/** Adds arguments, options and the action. */
export function configure(command: Command, host: Host): void {
  const kind: ImageCommandKind = {
    options: generateOptions(),
    subject(values) {
      const name = methodOf(values) as MethodName;
      return { method: methodFor(values), title: `method ${name}` };
    },
    owner: { method: DETAIL, text: '--detail adds it to any method' },
  };
  addImageOptions(
    command.argument('[prompt]', 'what the image should show; needed unless --prompts gives prompts'),
    kind.options,
  )
    .addHelpText('after', NOTES)
    .action(async (prompt: string | undefined, flags: Readonly<Record<string, unknown>>) => {
      const read = await readImageCommand(command, prompt, flags, kind, host);
      if (read.values.explain) await explainPrompts(read, host);
      else if (isSeries(read)) await makeSeries('generate', read, host);
      else await generateImage(read, host);
    });
}
