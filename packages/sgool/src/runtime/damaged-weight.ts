/** @file Which weight of a network is to blame where the network gives numbers that are not finite. */
import { type ConstantSource, constantsOf, type Graph, type Precision } from '@sgool/autodiff';
import { files } from '#platform';
import { decodeTensor } from '../weights/formats/dtypes.ts';

/** A weight that stays in its file. Weights in memory were checked when they were read. */
export type MappedWeight = Extract<ConstantSource, { readonly file: unknown }> & { readonly label: string };

const DTYPES = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const;

/** Largest number of float16. */
const LARGEST_HALF = 65504;

/** Bytes that are read at a time; a multiple of the size of every type. */
const BLOCK_BYTES = 2 ** 24;

/** The weights of a graph that stay in their files. */
export function mappedWeights(graph: Graph): MappedWeight[] {
  return constantsOf(graph).filter(
    (source): source is MappedWeight => 'file' in source && source.label !== undefined,
  );
}

/**
 * Looks through weights for one that no network can compute with. It reads all of them: for a run that has failed.
 *
 * @param network what the network is called; where that names the file, the answer does not name it again
 * @returns file, name, number and what would be right, in one line; undefined where every weight is usable
 */
export async function damagedWeight(
  weights: readonly MappedWeight[],
  precision: Precision,
  network = '',
): Promise<string | undefined> {
  for (const { label, dtype, file } of weights) {
    if (!(dtype in DTYPES)) continue;
    const bad = await firstUnusable(file, DTYPES[dtype as keyof typeof DTYPES], precision);
    if (bad === undefined) continue;
    const inFile = `${file.path}: `;
    const blamed =
      network.includes(file.path) && label.startsWith(inFile) ? label.slice(inFile.length) : label;
    return Number.isFinite(bad)
      ? `${blamed} holds ${bad}, beyond ${LARGEST_HALF}, the largest number of float16; take precision float32`
      : `${blamed} holds ${bad}; every number must be finite: get the file again`;
  }
  return undefined;
}

/** The first number that is not finite, or that float16 does not hold where it is computed with. */
function firstUnusable(
  { path, byteOffset, byteLength }: MappedWeight['file'],
  dtype: (typeof DTYPES)[keyof typeof DTYPES],
  precision: Precision,
): Promise<number | undefined> {
  const largest = precision === 'float16' ? LARGEST_HALF : Number.MAX_VALUE;
  return files.withFile(path, async (file) => {
    for (let at = 0; at < byteLength; at += BLOCK_BYTES) {
      const bytes = await file.read(byteOffset + at, Math.min(BLOCK_BYTES, byteLength - at));
      const values = decodeTensor(dtype, new Uint8Array(bytes).buffer) as Float32Array;
      const bad = values.find((value) => !(Math.abs(value) <= largest));
      if (bad !== undefined) return bad;
    }
    return undefined;
  });
}
