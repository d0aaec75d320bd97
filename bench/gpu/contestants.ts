/** @file What is measured on a card: each side once, alone. The first ones matter most, since time may run out. */
import type { Program } from '../runs/bench-process.ts';
import type { Workload } from '../runs/workload.ts';

/** One side of one workload. */
export interface Contestant {
  readonly program: Program;
  readonly fields: Pick<Workload, 'workload' | 'variant' | 'device' | 'precision'>;
}

const ours = (fields: Omit<Contestant['fields'], 'variant'>): Contestant => ({
  program: 'ours',
  fields: { ...fields, variant: fields.workload === 'iteration' ? 'ddim' : '' },
});
const peer = (variant: string, fields: Omit<Contestant['fields'], 'variant' | 'device'>): Contestant => ({
  program: 'peer',
  fields: { ...fields, variant, device: 'cuda' },
});
const iteration = 'iteration';
const PUBLISHED = 'edict, as published';

/** By the names that `comparisons` uses. */
export const CONTESTANTS = {
  'ours, float32': ours({ workload: iteration, device: 'cuda', precision: 'float32' }),
  'careful, float32': peer('ddim', { workload: iteration, precision: 'float32' }),
  'ours, tf32': ours({ workload: iteration, device: 'cuda', precision: 'tf32' }),
  'careful, tf32': peer('ddim', { workload: iteration, precision: 'tf32' }),
  'ours, float16': ours({ workload: iteration, device: 'cuda', precision: 'float16' }),
  'careful, float16': peer('ddim', { workload: iteration, precision: 'float16' }),
  'ours, picture': ours({ workload: 'picture', device: 'cuda', precision: 'float32' }),
  'careful, picture': peer('', { workload: 'picture', precision: 'float32' }),
  'ours, toybox': ours({ workload: 'toybox', device: 'cuda', precision: 'float32' }),
  'processor, toybox': ours({ workload: 'toybox', device: 'cpu', precision: 'float32' }),
  'published, tf32': peer(PUBLISHED, { workload: iteration, precision: 'tf32' }),
  'ours, webgpu': ours({ workload: iteration, device: 'webgpu', precision: 'float32' }),
  'published, float16': peer(PUBLISHED, { workload: iteration, precision: 'float16' }),
} as const satisfies Readonly<Record<string, Contestant>>;

export type ContestantName = keyof typeof CONTESTANTS;

/** The same on the processor, to try the benchmark itself. It has no TF32. */
export function onProcessor({ program, fields }: Contestant): Contestant {
  const precision = fields.precision === 'tf32' ? 'float32' : fields.precision;
  return { program, fields: { ...fields, device: 'cpu', precision } };
}
