/** @file `sgool video <prompt>`: reads the options and makes the clip. */
import type { Command } from 'commander';
import { type MethodName, methodFor, methodOf } from '../../methods/index.ts';
import type { Host } from '../host.ts';
import { videoOptions } from '../options/image-options.ts';
import { addImageOptions, type ImageCommandKind, readImageCommand } from '../options/read-options.ts';
import { explainPrompts } from '../run/explain-prompts.ts';
import { generateVideo } from '../run/generation.ts';
import { isSeries, makeSeries } from '../run/series.ts';

const NOTES = `
A clip is a few seconds of moving picture. Its model is one for pictures, and an
adapter that has learnt how pictures move (--motion; AnimateDiff's and those like
it). Where neither is named it is toybox with toybox-motion, which come with
sgool. All methods of sgool generate work on clips, but attend-and-excite and the
detail pass, which look at one picture.

The output folder holds clip.webp (the best clip so far; clip.gif or clip.mp4 with
--format), clip.png (the same without loss, an animated PNG that browsers show and
that keeps the settings), before.png (the plain clip), frames.png (all frames with
the boxes of their salient things), progress.png (the middle frame of iterations)
and run.json. The path of the clip goes to stdout, progress to stderr. WebP keeps
the settings too; GIF has 256 colours, and MP4 needs ffmpeg, or the package
h264-mp4-encoder: npm install h264-mp4-encoder.

The scores of a clip are the means over its frames; run.json names the lowest one
beside them, how alike neighbouring frames are (consistency), how much they differ
(motion), and how much the salient things shake (jitter). A clip that stands still
is most consistent: read consistency and motion together.

doodl and sgool take the loss of --loss-frames frames in each iteration: the worst
one, and one from each part of the clip, so that all count alike in the long run.
Salient regions are followed from frame to frame. --motion-weight keeps the motion
of the plain clip within 10 %, so that nothing wins by standing still.
--shared-noise 0.5 gives all frames half of their noise in common, which keeps
them alike; the gradient then moves all of them together.

Ctrl-C keeps the best clip so far, and sgool resume goes on. sgool repeat makes
the same bytes again from clip.png, clip.webp or run.json. --count and --prompts,
environment, sgool.config.json and exit codes work as in sgool generate.

Examples:
  sgool video "a red cat and a blue boat"
  sgool video "a corgi on a beach" --model sd-1-5 --motion guoyww/animatediff-motion-adapter-v1-5-3
  sgool video "a red cat" --method sd --frames 8 --fps 8 --format gif
  sgool video "a red cat" --method best-of --iterations 7 --seed 3
  sgool video "a red cat" --count 4 --out cats`;

/** Adds arguments, options and the action. */
export function configure(command: Command, host: Host): void {
  const kind: ImageCommandKind = {
    options: videoOptions(),
    subject(values) {
      const name = methodOf(values) as MethodName;
      return { method: methodFor(values), title: `method ${name}` };
    },
  };
  addImageOptions(
    command.argument('[prompt]', 'what the clip should show; needed unless --prompts gives prompts'),
    kind.options,
  )
    .addHelpText('after', NOTES)
    .action(async (prompt: string | undefined, flags: Readonly<Record<string, unknown>>) => {
      const read = await readImageCommand(command, prompt, flags, kind, host);
      if (read.values.explain) await explainPrompts(read, host);
      else if (isSeries(read)) await makeSeries('video', read, host);
      else await generateVideo(read, host);
    });
}
