/** @file `sgool generate <prompt>`: reads the options and makes the image. */
import type { Command } from 'commander';
import { DEFAULT_METHOD, methods } from '../../methods/index.ts';
import type { Host } from '../host.ts';
import { generateOptions } from '../options/image-options.ts';
import { addImageOptions, type ImageCommandKind, readImageCommand } from '../options/read-options.ts';
import { generateImage } from '../run/generation.ts';

const NOTES = `
An option marked with [only ...], or in a group that is, belongs to those
methods; other methods refuse it. Defaults depend on the method and the model;
run.json lists the value of every setting. A value comes from the command line,
else from the environment (--guidance is SGOOL_GUIDANCE), else from
sgool.config.json in the current folder ({ "guidanceScale": 5 }).

The output folder holds image.png (the best image so far), before.png (the plain
image), saliency.png, progress.png and run.json. The path of image.png goes to
stdout, progress to stderr. Ctrl-C stops the run and keeps the best image so
far.

Examples:
  sgool generate "a red cat to the left of a blue boat"
  sgool generate "a green star above a house" --method doodl --seed 7 --iterations 20
  sgool generate "two yellow ducks" --method best-of --iterations 9 --out ducks
  sgool generate "a cat in a window" --mask window.png
  sgool generate "a purple fish" --method sd --json --quiet`;

/** Adds arguments, options and the action. */
export function configure(command: Command, host: Host): void {
  const kind: ImageCommandKind = {
    options: generateOptions(),
    subject({ method: name = DEFAULT_METHOD }) {
      return { method: methods[name], title: `method ${name}` };
    },
  };
  addImageOptions(command.argument('<prompt>', 'what the image should show'), kind.options)
    .addHelpText('after', NOTES)
    .action(async (prompt: string, flags: Readonly<Record<string, unknown>>) =>
      generateImage(await readImageCommand(command, prompt, flags, kind, host), host),
    );
}
