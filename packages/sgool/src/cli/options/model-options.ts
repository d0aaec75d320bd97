/** @file Options that several commands share. */
import { relative } from 'node:path';
import { Option } from 'commander';
import { UserError } from '../../errors.ts';
import { DEFAULT_MODEL } from '../../weights/open/locate-model.ts';
import { USAGE_ERROR } from '../exit-codes.ts';
import type { Host } from '../host.ts';
import { didYouMean } from './suggest.ts';

export const DEVICES = ['cpu', 'webgpu', 'cuda', 'auto'] as const;
export type DeviceName = (typeof DEVICES)[number];
export const PRECISIONS = ['float32', 'float16'] as const;
export type PrecisionName = (typeof PRECISIONS)[number];
export const DEVICE_HELP = 'what to compute on';
export const PRECISION_HELP = 'what networks compute in';

/** An option that takes one of a few names. */
export function choice(flags: string, description: string, names: readonly string[]): Option {
  const who = flags.split(' ')[0];
  return new Option(flags, `${description}: ${names.join(', ')}`).argParser((text) => {
    if (names.includes(text)) return text;
    const right = `choose one of ${names.join(', ')}${didYouMean(text, names)}`;
    throw new UserError(`${who}: not usable, got ${text || 'nothing'}; ${right}`, { exitCode: USAGE_ERROR });
  });
}

/** `--model`, else SGOOL_MODEL, else the embedded one. */
export function modelOption({ env }: Host): Option {
  return new Option(
    '--model <name>',
    'name of a model, a folder in the diffusers layout, a .ckpt or .safetensors file, or org/name of a pulled one',
  ).default(env.SGOOL_MODEL || DEFAULT_MODEL);
}

/** `--device`, else SGOOL_DEVICE, else the processor. */
export function deviceOption({ env }: Host): Option {
  return choice('--device <name>', DEVICE_HELP, DEVICES).default(env.SGOOL_DEVICE || DEVICES[0]);
}

/** `--precision`, else SGOOL_PRECISION, else float32. */
export function precisionOption({ env }: Host): Option {
  return choice('--precision <name>', PRECISION_HELP, PRECISIONS).default(
    env.SGOOL_PRECISION || PRECISIONS[0],
  );
}

/** A path as short as it can be told. */
export function shownPath(path: string, { cwd }: Host): string {
  const inside = relative(cwd, path);
  return inside === '' || inside.startsWith('..') ? path : inside;
}
