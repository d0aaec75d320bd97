/** @file `sgool saliency <image>`: where the eye goes in an image. */
import { existsSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../../errors.ts';
import { encodePng } from '../../image/png.ts';
import { readImage } from '../../image/read-image.ts';
import { SALIENCY_NAMES, type SaliencyName } from '../../request/request.ts';
import { findRegions } from '../../saliency/regions.ts';
import { writeFileAtomic } from '../../weights/sources/atomic-file.ts';
import { USAGE_ERROR } from '../exit-codes.ts';
import type { Host } from '../host.ts';
import { choice, type DeviceName, deviceOption, modelOption, shownPath } from '../options/model-options.ts';
import { addCriticOptions, loadOptionsOf, type ModelParts } from '../options/model-parts.ts';
import { saliencyImage } from '../run/images.ts';

interface SaliencyOptions extends ModelParts {
  readonly detector?: SaliencyName;
  readonly prompt?: string;
  readonly mask?: string;
  readonly model: string;
  readonly device: DeviceName;
  readonly out?: string;
  readonly json?: boolean;
}

const NOTES = `
Without --detector the best one is taken that the model has the network for. Grad-CAM looks for a prompt.

Examples:
  sgool saliency photo.jpg
  sgool saliency photo.jpg --detector grad-cam --prompt "a red cat" --out cat.png
  sgool saliency photo.jpg --detector spectral-residual --json`;

export function configure(command: Command, host: Host): void {
  addCriticOptions(command, host)
    .argument('<image>', 'an image: PNG, JPEG, WebP ...')
    .addOption(choice('--detector <name>', 'who looks', SALIENCY_NAMES))
    .option('--prompt <text>', 'what Grad-CAM looks for')
    .option('--mask <file>', 'image that is bright where the eye should go (detector "mask")')
    .addOption(modelOption(host))
    .addOption(deviceOption(host))
    .option('--out <file>', 'PNG to write (default: <image>-saliency.png in this folder)')
    .option('--json', 'print one JSON object on stdout instead of the path')
    .addHelpText('after', NOTES)
    .action((image: string, options: SaliencyOptions) => saliency(image, options, host));
}

async function saliency(path: string, options: SaliencyOptions, host: Host): Promise<void> {
  const { detector: wanted, prompt, mask, model, device, out, json = false } = options;
  const isGradCam = wanted?.startsWith('grad-cam') ?? false;
  if (isGradCam && (prompt ?? '').trim() === '') {
    throw new UserError(`--prompt: ${wanted} needs to know what to look for; give a prompt`, {
      exitCode: USAGE_ERROR,
    });
  }
  if (wanted === 'mask' && mask === undefined) {
    throw new UserError('--mask: the detector "mask" needs an image; give its path', {
      exitCode: USAGE_ERROR,
    });
  }
  const image = await readImage(resolve(host.cwd, path));
  const maskImage = mask === undefined ? undefined : await readImage(resolve(host.cwd, mask));
  const started = performance.now();
  const engine = await host.loadEngine();
  const pipeline = await engine.openPipeline(model, { ...loadOptionsOf(options), device });
  try {
    const name = wanted ?? defaultDetector(pipeline.model.has, mask, prompt);
    const detector = await pipeline.detector(name, {
      ...(prompt === undefined ? {} : { prompt }),
      ...(maskImage === undefined ? {} : { mask: maskImage }),
    });
    const map = await detector.map(image);
    const regions = findRegions(map);
    const target = out === undefined ? freePath(path, host.cwd) : resolve(host.cwd, out);
    await writeFileAtomic(target, encodePng(saliencyImage(image, map, regions)));
    const result = {
      image: resolve(host.cwd, path),
      detector: name,
      width: image.width,
      height: image.height,
      regions,
      seconds: Number(((performance.now() - started) / 1000).toFixed(3)),
      paths: { saliency: target },
    };
    host.stdout.write(json ? `${JSON.stringify(result)}\n` : `${shownPath(target, host)}\n`);
  } finally {
    await pipeline.dispose();
  }
}

/** A mask or a prompt that was given says what is wanted. */
function defaultDetector(
  has: { readonly clip: boolean; readonly transalnet: boolean },
  mask: string | undefined,
  prompt: string | undefined,
): SaliencyName {
  if (mask !== undefined) return 'mask';
  if (prompt !== undefined && has.clip) return 'grad-cam';
  return has.transalnet ? 'transalnet' : 'spectral-residual';
}

/** `<image>-saliency.png` in the working folder, or the next number that is free. */
function freePath(image: string, cwd: string): string {
  const stem = basename(image, extname(image));
  for (let number = 1; ; number++) {
    const path = join(cwd, `${stem}-saliency${number === 1 ? '' : `-${number}`}.png`);
    if (!existsSync(path)) return path;
  }
}
