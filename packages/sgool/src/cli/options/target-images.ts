/** @file Target images on the command line: a path, and perhaps a weight behind a colon. */

import { UserError } from '../../errors.ts';
import { type TargetImage, targetWeight } from '../../request/request.ts';
import type { Host } from '../host.ts';
import { inputImage } from '../inputs.ts';

export interface TargetFile {
  readonly path: string;
  /** Default 1. */
  readonly weight?: number;
}

/**
 * `file` or `file:weight`.
 *
 * @param who names the option in messages
 * @throws UserError where there is no path, or the weight is out of range
 */
export function parseTargetFile(text: string, who: string): TargetFile {
  const [, path, digits] = /^\s*(.*?)(?::([-+]?(?:\d+\.?\d*|\.\d+)))?\s*$/s.exec(text) ?? [];
  if (!path) throw new UserError(`${who}: not usable, got ${text || 'nothing'}; give file or file:weight`);
  if (digits === undefined) return { path };
  const weight = Number(digits);
  if (targetWeight.safeParse(weight).success) return { path, weight };
  throw new UserError(`${who}: the weight of ${path} must be above 0, up to 1000, got ${digits}`);
}

/** The text that `parseTargetFile` reads. */
export const targetFileText = ({ path, weight }: TargetFile): string =>
  weight === undefined ? path : `${path}:${weight}`;

/**
 * Reads target images. Transparent parts become white.
 *
 * @throws UserError where one cannot be read
 */
export async function readTargetImages(texts: readonly string[], host: Host): Promise<TargetImage[]> {
  const images: TargetImage[] = [];
  for (const text of texts) {
    const { path, ...weight } = parseTargetFile(text, '--target-image');
    images.push({ image: await inputImage('--target-image', path, host), ...weight });
  }
  return images;
}
