/** @file What all rows have in common: the model, the inputs of both sides, how often and where. */
import { join } from 'node:path';
import { Generator } from 'sgool';
import { writeNumbers } from './numbers.ts';
import type { Contender, Program } from './side.ts';
import type { Work } from './work.ts';

export interface Bench {
  readonly folder: string;
  /** Folder for inputs and results. */
  readonly out: string;
  /** Absent where there are no peers. */
  readonly python?: string;
  /** Timed runs of each side. */
  readonly repeats: number;
  /** Denoising steps of an iteration. */
  readonly steps: number;
  readonly threads: number;
}

/** Of Stable Diffusion's autoencoder, and of Toybox's. */
const PIXELS_PER_LATENT = 8;

/** A work for one side: what the benchmark has in common, and `fields`. */
export async function contender(
  { folder, out, steps, threads }: Bench,
  program: Program,
  fields: Partial<Work> & Pick<Work, 'work' | 'pixels'>,
): Promise<Contender> {
  const latentSide = fields.pixels / PIXELS_PER_LATENT;
  const random = new Generator(0);
  const noise = async (name: string) => {
    const path = join(out, `${name}.f32`);
    await writeNumbers(path, random.randn([1, 4, latentSide, latentSide]));
    return path;
  };
  const inputs = { latent: await noise('latent'), cotangent: await noise('cotangent') };
  const guided = { prompt: 'a red cat to the left of a blue boat', guidanceScale: 7.5, timestep: 500 };
  const work = {
    folder,
    steps,
    threads,
    variant: '',
    matrixSize: 0,
    latentSide,
    inputs,
    ...guided,
    ...fields,
  };
  return { program, work };
}
