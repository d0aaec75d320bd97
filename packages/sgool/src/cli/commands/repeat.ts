/** @file `sgool repeat <file>`: makes an image again from what it says of itself. */
import { existsSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { fileSha256 } from '../../platform/file-sha256.ts';
import type { Host } from '../host.ts';
import { inputHash, inputPath, STDIN } from '../inputs.ts';
import type { Values } from '../options/image-options.ts';
import { parseTargetFile, targetFileText } from '../options/target-images.ts';
import type { MadeImage } from '../run/conclude.ts';
import { type AnyImageCommand, IMAGE_COMMANDS } from '../run/image-commands.ts';
import { ITERATIONS_FOLDER } from '../run/output-folder.ts';
import { isSameModelName, type RecordedRun, readRecordedRun } from '../run/recorded-run.ts';
import { shownPath } from '../terminal/format.ts';
import { usageError } from '../usage-error.ts';
import { packageVersion } from '../version.ts';

interface RepeatFlags {
  readonly model?: string;
  readonly image?: string;
  readonly mask?: string;
  readonly targetImage?: readonly string[];
  readonly loraDir?: string;
  readonly embeddingsDir?: string;
  readonly adapter?: string;
  readonly motion?: string;
  readonly allowVerifiers?: boolean;
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const NOTES = `
The file is an image of sgool generate, refine or detail, a clip of sgool video
(PNG or WebP), or the run.json beside it. The whole run is repeated with every setting of the record; the same version
on the same machine makes the same bytes, and the last line says whether it did.
The images that refine, detail, --mask and --target-image were given must still
be there.

From an image of AUTOMATIC1111's web UI, or of a tool that writes as it does, the
text "parameters" is taken: prompts, steps, sampler, guidance, seed, size. --model
says where its model is, --adapter and --motion its adapters, --lora-dir and
--embeddings-dir where its LoRAs and embeddings are. What cannot be repeated is named.

A model, adapter, LoRA or embedding whose hash is not that of the record is named.

Examples:
  sgool repeat image.png
  sgool repeat sgool-output/2026-11-22-a-red-cat-7/run.json --out again
  sgool repeat 00012-965400086.png --model v1-5-pruned-emaonly.safetensors`;

export function configure(command: Command, host: Host): void {
  command
    .argument('<file>', 'PNG or WebP file, or run.json, that says how it was made')
    .option('--model <name>', 'the model, if it is elsewhere now or another tool named it')
    .option('--image <file>', 'the image that it began with, if it is elsewhere now')
    .option('--mask <file>', 'the mask, if it is elsewhere now')
    .option(
      '--target-image <file>',
      'a target image, if they are elsewhere now: all of them, in their order',
      (file: string, before: readonly string[] = []) => [...before, file],
    )
    .option('--adapter <file>', 'the adapter of the record, if it is elsewhere now')
    .option('--motion <place>', 'the motion adapter of the record, if it is elsewhere now')
    .option('--lora-dir <folder>', 'folder with the LoRAs that the prompt names, if it is elsewhere now')
    .option(
      '--embeddings-dir <folder>',
      'folder with the embeddings that prompts name, if it is elsewhere now',
    )
    .option('--allow-verifiers', 'call the programs and servers that the objective of the record names')
    .option('--out <folder>', 'folder for the results (default: sgool-output/<date>-<prompt>-<seed>)')
    .option('--json', 'print one JSON object on stdout instead of the path')
    .option('-q, --quiet', 'show no progress')
    .addHelpText('after', NOTES)
    .action((file: string, flags: RepeatFlags) => repeat(file, flags, command, host));
}

async function repeat(file: string, flags: RepeatFlags, command: Command, host: Host): Promise<void> {
  const path = resolve(host.cwd, file);
  const recorded = await readRecordedRun(path);
  const {
    json = false,
    quiet = false,
    out,
    adapter,
    motion,
    loraDir,
    embeddingsDir,
    allowVerifiers = false,
  } = flags;
  const { inputHashes } = recorded;
  const image = await inputFile('image', recorded.image, flags.image, inputHashes.image, path, host);
  const maskFile = await inputFile(
    'mask',
    recorded.values.maskFile,
    flags.mask,
    inputHashes.maskFile,
    path,
    host,
  );
  const targetImage = await targetFiles(recorded, flags.targetImage, path, host);
  const { maskFile: _, targetImage: __, ...rest } = recorded.values;
  const values: Values = {
    ...rest,
    ...(maskFile === undefined ? {} : { maskFile }),
    ...(targetImage.length === 0 ? {} : { targetImage }),
    model: modelOf(recorded, flags.model, path),
    ...(adapter === undefined ? {} : { adapter }),
    ...(motion === undefined ? {} : { motion }),
    ...(loraDir === undefined ? {} : { loraDir }),
    ...(embeddingsDir === undefined ? {} : { embeddingsDir }),
    ...(out === undefined ? {} : { out }),
    // One of the images of all iterations is repeated with the others.
    ...(basename(dirname(path)) === ITERATIONS_FOLDER ? { saveIterations: true } : {}),
  };
  const version = await packageVersion();
  const isOther = recorded.version !== undefined && recorded.version !== version;
  const typed = (command.parent as (Command & { rawArgs?: string[] }) | null)?.rawArgs ?? [];
  const { make, options } = IMAGE_COMMANDS[recorded.kind];
  const read: AnyImageCommand = {
    prompt: recorded.prompt,
    ...(image === undefined ? {} : { image }),
    values,
    options: options(),
    typed: ['sgool', ...typed].join(' '),
    json,
    quiet,
    // The record may be a stranger's.
    allowVerifiers,
    warnings: recorded.notes,
    recordedHashes: recorded.weightHashes,
    notes: isOther
      ? [`it was made by sgool ${recorded.version}, this is ${version}; the bytes may differ`]
      : [],
  };
  const made = await make(read, host);
  if (recorded.version !== undefined && !quiet) await compare(path, recorded, made, host);
}

/** The target images of the record where they are now, with their weights. @throws UserError as `inputFile` does */
async function targetFiles(
  { values: { targetImage: recorded = [] }, inputHashes }: RecordedRun,
  given: readonly string[] | undefined,
  path: string,
  host: Host,
): Promise<string[]> {
  if (given !== undefined && given.length !== recorded.length) {
    throw usageError(
      `--target-image: ${path} was made with ${recorded.length} target images, got ${given.length}; give as many, in the same order`,
    );
  }
  const found: string[] = [];
  for (const [i, text] of recorded.entries()) {
    const target = parseTargetFile(text, path);
    const hash = inputHashes.targetImage?.[i];
    const place = await inputFile('target-image', target.path, given?.[i], hash, path, host);
    found.push(targetFileText({ ...target, path: place ?? target.path }));
  }
  return found;
}

/** The model of the record, or the one that was given. */
function modelOf(
  { values, version }: RecordedRun,
  given: string | undefined,
  path: string,
): string | undefined {
  const { model } = values;
  if (given !== undefined || version !== undefined) return given ?? model;
  if (model !== undefined && isSameModelName(model, 'toybox')) return model;
  throw usageError(
    `${path}: was made by another tool with the model ${model ?? '(not named)'}; say where it is with --model`,
  );
}

/**
 * An image that the run was given: where the record says, else beside the file, else in the current folder.
 *
 * @throws UserError where it is nowhere, or is not the same
 */
async function inputFile(
  flag: 'image' | 'mask' | 'target-image',
  recorded: string | undefined,
  given: string | undefined,
  hash: string | undefined,
  path: string,
  host: Host,
): Promise<string | undefined> {
  if (recorded === undefined) {
    if (given === undefined) return undefined;
    throw usageError(`--${flag}: ${path} was made without one`);
  }
  const name = recorded === STDIN ? 'from the standard input' : basename(recorded);
  const places =
    given !== undefined
      ? [inputPath(given, host)]
      : recorded === STDIN
        ? []
        : [recorded, join(dirname(path), name), join(dirname(path), '..', name), join(host.cwd, name)].map(
            (place) => resolve(host.cwd, place),
          );
  const who = flag === 'image' ? 'the image' : `--${flag}`;
  // What was made may have the name of what it was made from.
  const others = places.filter((place) => place !== resolve(host.cwd, path));
  const found = others.filter((place) => place === STDIN || existsSync(place));
  for (const place of found) {
    if (hash === undefined || (await inputHash(who, place, host)) === hash) return place;
  }
  const problem = found.length === 0 ? 'is not found' : `is not the same any more (${found[0]})`;
  throw usageError(
    `--${flag}: the ${flag.replace('-', ' ')} ${name} that ${path} was made from ${problem}; say where it is`,
  );
}

/** The result in the format of a file: a clip is there in two. */
function resultLike(path: string, { image, clip, video }: MadeImage['result']['paths']): string | undefined {
  const all = [clip, video].filter((one) => one !== undefined);
  return all.find((one) => extname(one) === extname(path).toLowerCase()) ?? clip ?? image;
}

/** Says whether the bytes are the same again. */
async function compare(
  path: string,
  recorded: RecordedRun,
  { result }: MadeImage,
  host: Host,
): Promise<void> {
  const { iteration } = recorded;
  if (iteration === undefined) return;
  const { paths, bestIteration } = result;
  const again =
    iteration === bestIteration
      ? resultLike(path, paths)
      : iteration === 0
        ? paths.before
        : paths.iterations &&
          join(paths.folder, ITERATIONS_FOLDER, `${String(iteration).padStart(4, '0')}.png`);
  if (again === undefined) return;
  const [old, made] = await Promise.all([path, again].map((file) => fileSha256(file)));
  const verdict = old === made ? 'has the same bytes as' : 'differs from';
  host.stderr.write(`sgool: ${shownPath(again, host)} ${verdict} ${shownPath(path, host)}\n`);
}
