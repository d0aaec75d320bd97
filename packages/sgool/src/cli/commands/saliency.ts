/** @file `sgool saliency <image>`: the saliency map of an image, or of each frame of a clip, and the salient regions. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { frameSheet } from '../../image/video/clip-sheet.ts';
import { REGION_DEFAULTS } from '../../request/defaults.ts';
import { defaultDetector, type SaliencyName, type SaliencyNetworks } from '../../request/detectors.ts';
import { withoutUnread } from '../../request/effect.ts';
import { type DetectionSettings, detectionSettings } from '../../request/settings/regions.ts';
import { pickSettings } from '../../request/settings/shape.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import { followRegions } from '../../saliency/track.ts';
import type { PromptSyntax } from '../../text/prompt/prompt.ts';
import type { Host } from '../host.ts';
import { inputFiles, inputImage, inputPath, inputStem, inputVideo } from '../inputs.ts';
import { loadOptionsOf, sharedOptions, sharedValues } from '../options/model-options.ts';
import { type OptionValues, schemaOption, toCommander, typedValues, withDefault } from '../options/option.ts';
import { criticsText, promptSyntaxOption } from '../options/prompt.ts';
import { saliencyImage } from '../run/images.ts';
import { clipNotes, clipsOf } from '../run/prompt-warnings.ts';
import { imageTarget, writeImage } from '../run/write-output.ts';
import { shownPath } from '../terminal/format.ts';
import { usageError } from '../usage-error.ts';

interface SaliencyFlags extends OptionValues {
  readonly prompt?: string;
  readonly promptSyntax: PromptSyntax;
  readonly mask?: string;
  readonly out?: string;
  readonly json?: boolean;
}

const NOTES = `
Without --detector a mask or a prompt decides (mask, grad-cam); with neither it
is TranSalNet if its weights are there, else spectral residual. Grad-CAM shows
where CLIP sees the prompt, attention where the model that makes images sees the
things of the prompt. The box of random is that of seed 0.

Of a clip (animated WebP, PNG or GIF; MP4 where ffmpeg is on the path) the maps of
all frames stand on one sheet. They are smoothed over time, and the regions are
followed from frame to frame, as sgool video does; --json says where they are in
each frame, and how much they shake (jitter).

Examples:
  sgool saliency photo.jpg
  sgool saliency photo.jpg --detector grad-cam --prompt "a red cat" --out cat.webp
  sgool saliency photo.jpg --out /dev/stdout | display
  sgool saliency photo.jpg --detector spectral-residual --threshold-rule quantile --threshold-value 0.9 --json`;

/** Detectors that show where a prompt is. */
const NEEDS_PROMPT: readonly string[] = ['grad-cam', 'grad-cam++', 'attention'] satisfies SaliencyName[];

/** The detector that looks with the network that makes images; the others have networks of their own, in float32. */
const OF_THE_MODEL = 'attention' satisfies SaliencyName;

const { saliency: detectorSchema, ...regionSchemas } = detectionSettings;

const DETECTOR_OPTION = schemaOption('saliency', detectorSchema, 'Options:', { flag: 'detector' });
const REGION_OPTIONS = Object.entries(regionSchemas).map(([key, schema]) =>
  withDefault(
    schemaOption(key, schema, 'Salient regions:'),
    REGION_DEFAULTS[key as keyof typeof REGION_DEFAULTS],
  ),
);
const OPTIONS = [DETECTOR_OPTION, ...REGION_OPTIONS];

export function configure(command: Command, host: Host): void {
  command.argument('<image>', 'image file or clip: PNG, JPEG, WebP ..., or - for the standard input');
  for (const option of toCommander(DETECTOR_OPTION)) command.addOption(option);
  command
    .option('--prompt <text>', 'prompt for Grad-CAM and attention')
    .addOption(promptSyntaxOption())
    .option('--mask <file>', 'image whose brightness is the saliency map (detector mask)');
  for (const option of [...sharedOptions(), ...REGION_OPTIONS.flatMap(toCommander)]) {
    command.addOption(option);
  }
  command
    .option(
      '--out <file>',
      'file to write: .png, .jpg, .jpeg or .webp, or a device or pipe, which gets PNG (default: <image>-saliency.png in the current folder)',
    )
    .option('--json', 'print one JSON object on stdout instead of the path')
    .addHelpText('after', NOTES)
    .action((image: string, flags: SaliencyFlags) => saliency(image, flags, host));
}

async function saliency(given: string, flags: SaliencyFlags, host: Host): Promise<void> {
  const { prompt, promptSyntax, out, json = false } = flags;
  const path = inputPath(given, host);
  const mask = flags.mask === undefined ? undefined : inputPath(flags.mask, host);
  const typed: Partial<DetectionSettings> = pickSettings(detectionSettings, typedValues(flags, OPTIONS));
  const wanted = typed.saliency;
  if (wanted !== undefined && NEEDS_PROMPT.includes(wanted) && (prompt ?? '').trim() === '') {
    throw usageError(`--prompt: the detector ${wanted} needs a prompt; give one`);
  }
  if (wanted === 'mask' && mask === undefined) {
    throw usageError('--mask: the detector mask needs an image; give its path');
  }
  const target = await imageTarget(
    out === undefined ? freePath(path, host.cwd) : resolve(host.cwd, out),
    '--out',
    inputFiles([path, mask]),
  );
  const { frames, fps } = await inputVideo('the image', path, host);
  const [image] = frames;
  const maskImage = mask === undefined ? undefined : await inputImage('--mask', mask, host);
  const started = performance.now();
  const engine = await host.loadEngine();
  const values = sharedValues(flags, host);
  const pipeline = await engine.openPipeline(values.model, loadOptionsOf(values));
  for (const line of pipeline.model.notes ?? []) host.stderr.write(`sgool: ${line}\n`);
  try {
    const text = prompt === undefined ? undefined : criticsText('mapped', prompt, promptSyntax, host);
    if (text !== undefined) {
      const clips = await clipsOf(pipeline);
      for (const line of clipNotes('prompt', text, clips)) host.stderr.write(`sgool: warning: ${line}\n`);
    }
    const name = wanted ?? detectorFor(pipeline.model.has, mask, prompt);
    const { model } = pipeline;
    const defaults = { ...REGION_DEFAULTS, saliency: name };
    const given = { ...typed, ...(maskImage && { mask: maskImage }) };
    withoutUnread({ settings: { ...defaults, ...typed }, given, model }, defaults);
    if (text !== undefined && !NEEDS_PROMPT.includes(name)) {
      throw usageError(
        `--prompt: the detector ${name} reads no prompt; leave it out, or take one of ${NEEDS_PROMPT.join(', ')}`,
      );
    }
    if (flags.precision !== undefined && name !== OF_THE_MODEL) {
      throw usageError(`--precision: the detector ${name} looks in float32, whatever is said; leave it out`);
    }
    const detector = await pipeline.detector(name, {
      ...(text === undefined ? {} : { prompt: text }),
      ...(maskImage === undefined ? {} : { mask: maskImage }),
      ...(typed.centreBias === undefined ? {} : { centreBias: typed.centreBias }),
    });
    const maps: SaliencyMap[] = [];
    for (const frame of frames) maps.push(await detector.map(frame));
    const { frames: located, jitter } = followRegions(maps, typed);
    const shown = located.map(({ saliency: map, regions }, f) => saliencyImage(frames[f], map, regions));
    await writeImage(target, frames.length === 1 ? shown[0] : frameSheet(shown, fps), host.stdout);
    const [{ regions }] = located;
    const result = {
      image: path,
      detector: name,
      width: image.width,
      height: image.height,
      ...(frames.length === 1
        ? { regions }
        : { fps, frames: located.map((one) => ({ regions: one.regions })), jitter }),
      seconds: Number(((performance.now() - started) / 1000).toFixed(3)),
      paths: { saliency: target.path },
    };
    // The image itself is on stdout then.
    if (target.isStdout) return;
    if (json) host.stdout.write(`${JSON.stringify(result)}\n`);
    else host.stdout.data(`${shownPath(target.path, host)}\n`);
  } finally {
    await pipeline.dispose();
  }
}

/** A mask or a prompt that was given says which detector is wanted. */
function detectorFor(
  has: SaliencyNetworks,
  mask: string | undefined,
  prompt: string | undefined,
): SaliencyName {
  if (mask !== undefined) return 'mask';
  if (prompt !== undefined && has.clip) return 'grad-cam';
  return defaultDetector(has, false);
}

/** `<image>-saliency.png` in the current folder, or the next number that is free. */
function freePath(image: string, cwd: string): string {
  const stem = inputStem(image);
  for (let number = 1; ; number++) {
    const path = join(cwd, `${stem}-saliency${number === 1 ? '' : `-${number}`}.png`);
    if (!existsSync(path)) return path;
  }
}
