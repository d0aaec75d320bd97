/** @file How different the images of one prompt are: mean pairwise distance of their features over seeds. */
import { dot, mean } from '../../numbers.ts';
import type { Scope } from './results.ts';

/** The features of a cell: base64 of float32 of length 1. */
export function readFeatures(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64');
  return new Float32Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 4 * Math.floor(bytes.length / 4)),
  );
}

/** The mean of 1 - cos over all pairs; undefined for fewer than two. */
export function meanDistance(features: readonly Float32Array[]): number | undefined {
  const distances = features.flatMap((a, i) => features.slice(i + 1).map((b) => 1 - dot(a, b)));
  return distances.length === 0 ? undefined : mean(distances);
}

/** The mean distance of each prompt that has two images with features under this network. */
export function distancesOf({ prompts }: Scope, label: string, network: string): number[] {
  return prompts.flatMap(({ byMethod }) => {
    const features = (byMethod.get(label) ?? []).flatMap(({ cell }) => cell.features?.[network] ?? []);
    return meanDistance(features.map(readFeatures)) ?? [];
  });
}
