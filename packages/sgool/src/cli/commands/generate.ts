/** @file `sgool generate <prompt>`: reads the options; `generation.ts` does the work. */
import type { Command } from 'commander';
import type { Host } from '../host.ts';
import { addImageOptions, readImageCommand } from '../options/image-options.ts';
import { generateOptions } from '../options/options.ts';
import { generateImage } from '../run/generation.ts';

const NOTES = `
Defaults depend on method and model; run.json lists every one that was used. Options come from the command line, else
from the environment (--guidance is SGOOL_GUIDANCE), else from sgool.config.json in this folder ({ "guidanceScale": 5 }).

The folder of a run holds image.png (the best image so far), before.png (the plain one), saliency.png, progress.png and
run.json. The path of image.png goes to stdout, progress to stderr. Ctrl-C stops and keeps the best so far.

Examples:
  sgool generate "a red cat to the left of a blue boat"
  sgool generate "a green star above a house" --method doodl --seed 7 --iterations 20
  sgool generate "two yellow ducks" --method best-of --iterations 9 --out ducks
  sgool generate "a cat in a window" --saliency mask --mask window.png
  sgool generate "a purple fish" --method sd --json --quiet`;

/** Adds arguments, options and the action. */
export function configure(command: Command, host: Host): void {
  const options = generateOptions();
  addImageOptions(command.argument('<prompt>', 'what the image should show'), options)
    .addHelpText('after', NOTES)
    .action(async (prompt: string, flags: Readonly<Record<string, unknown>>) =>
      generateImage(await readImageCommand(command, prompt, flags, options, host), host),
    );
}
