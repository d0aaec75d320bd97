/** @file What all workloads have in common: the model, the inputs of both sides, and how they are run. */
import { join } from 'node:path';
import { Generator } from 'sgool';
import type { FullSizeName } from '../networks/models.ts';
import type { Contender, Program } from './bench-process.ts';
import { writeFloat32 } from './float32-file.ts';
import type { Workload } from './workload.ts';

/** Time that passes, or that all threads of a program compute together. */
export type Clock = 'wall' | 'processor';

export interface Bench {
  /** The folder of a model. It is made where it is missing. */
  folderOf(model: FullSizeName): Promise<string>;
  /** Folder for inputs and results. */
  readonly out: string;
  /** Absent where there are no peers. */
  readonly python?: string;
  /** Timed runs of each side. */
  readonly repeats: number;
  /** Denoising steps of an iteration. */
  readonly steps: number;
  readonly threads: number;
  /** Which of a run's times counts: `wall`, or `processor` for a machine on which other programs run. */
  readonly clock: Clock;
}

/** Of all autoencoders here. */
const PIXELS_PER_LATENT = 8;

/** Channels of the latents of a flow; all others have 4. */
const FLOW_CHANNELS = 16;
const FLOWS: readonly FullSizeName[] = ['sd35-medium', 'flux-schnell'];

/** What a row says of its workload. */
export type WorkloadFields = Partial<Workload> &
  Pick<Workload, 'workload' | 'pixels'> & { readonly model?: FullSizeName | undefined };

/** A workload for one side: what the whole benchmark has in common, and `fields`. Writes the inputs, the same for both sides. */
export async function contender(
  { folderOf, out, steps, threads }: Bench,
  program: Program,
  { model = 'sd14', ...fields }: WorkloadFields,
): Promise<Contender> {
  const side = fields.pixels / PIXELS_PER_LATENT;
  const { frames = 1 } = fields;
  const channels = FLOWS.includes(model) ? FLOW_CHANNELS : 4;
  const latentShape = [1, channels, ...(frames > 1 ? [frames] : []), side, side];
  const generator = new Generator(0);
  const noise = async (name: string) => {
    const path = join(out, `${name}.f32`);
    await writeFloat32(path, generator.randn(latentShape));
    return path;
  };
  const inputs = { latent: await noise('latent'), cotangent: await noise('cotangent') };
  const guided = { prompt: 'a red cat to the left of a blue boat', guidanceScale: 7.5, timestep: 500 };
  const attention = { words: ['cat', 'boat'], stepSize: 20 };
  const kind = { device: 'cpu', precision: 'float32', variant: '', matrixSize: 0 } as const;
  const common = { steps, threads, ...kind, frames, latentShape, inputs };
  const folder = fields.folder ?? (await folderOf(model));
  return { program, workload: { ...common, ...guided, ...attention, ...fields, folder } };
}
