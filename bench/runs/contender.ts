/** @file What all workloads have in common: the model, the inputs of both sides, and how they are run. */
import { join } from 'node:path';
import { Generator } from 'sgool';
import type { Contender, Program } from './bench-process.ts';
import { writeFloat32 } from './float32-file.ts';
import type { Workload } from './workload.ts';

export interface Bench {
  /** Of the model. */
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

/** A workload for one side: what the whole benchmark has in common, and `fields`. Writes the inputs, the same for both sides. */
export async function contender(
  { folder, out, steps, threads }: Bench,
  program: Program,
  fields: Partial<Workload> & Pick<Workload, 'workload' | 'pixels'>,
): Promise<Contender> {
  const latentSide = fields.pixels / PIXELS_PER_LATENT;
  const generator = new Generator(0);
  const noise = async (name: string) => {
    const path = join(out, `${name}.f32`);
    await writeFloat32(path, generator.randn([1, 4, latentSide, latentSide]));
    return path;
  };
  const inputs = { latent: await noise('latent'), cotangent: await noise('cotangent') };
  const guided = { prompt: 'a red cat to the left of a blue boat', guidanceScale: 7.5, timestep: 500 };
  const kind = { device: 'cpu', precision: 'float32', variant: '', matrixSize: 0 } as const;
  const common = { folder, steps, threads, ...kind, latentSide, inputs, ...guided };
  return { program, workload: { ...common, ...fields } };
}
