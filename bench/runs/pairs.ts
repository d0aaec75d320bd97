/** @file What is compared with a peer: workloads that take turns, and the memory of some of them. */
import type { FullSizeName } from '../networks/models.ts';
import type { WorkloadName } from './workload.ts';

/** Our workload and a peer's. */
export interface Pair {
  readonly kind: 'time' | 'memory';
  readonly name: string;
  readonly workload: WorkloadName;
  /** Default Stable Diffusion 1.4's shape. */
  readonly model?: FullSizeName;
  readonly pixels: number;
  readonly frames?: number;
  /** Default 7.5. */
  readonly guidanceScale?: number;
  /** Names of variants in workloads.ts and peers/workloads.py. */
  readonly ours: string;
  readonly peer: string;
  /** What the peer is, for the table. */
  readonly peerName: string;
  /** Highest ratio ours / peer. Of several rows with one name and a goal, it counts for the one with the best peer. */
  readonly goal?: number;
  /** Memory that is measured beside the time: its goal, and a row for memory that is in no file. */
  readonly memory?: { readonly goal?: number };
  /** The peer's results: the same numbers (default), the same with fewer digits, or those of another sampler. */
  readonly results?: 'same' | 'rounded' | 'other';
}

/**
 * @param sides of the images in pixels, the smaller one first; whole iterations are timed on the smaller one, and their memory
 *   is measured on the larger one
 */
export function pairs([small, large]: readonly [number, number]): Pair[] {
  return [
    ...unet('forward', 0.8, [small, large]),
    ...unet('pullback', 0.7, [small, large]),
    ...[small, large].map((pixels) => decoderAndClip(pixels)),
    ...iterations(small),
    ...memory(large),
    ...[small, large].flatMap((pixels) => attention(pixels)),
    ...clips(small),
    ...flows(large),
  ];
}

/** Parts are separated by commas, words by spaces. */
const partsOf = (rows: string): string[][] =>
  rows
    .toLowerCase()
    .split(',')
    .map((part) => part.trim().split(/\s+/));

const hasAll = (row: string, words: readonly string[]) => words.every((word) => row.toLowerCase().includes(word));

/** The rows that `--rows` selects: all words of one of its parts occur in the row. Default: all rows. */
export const rowFilter =
  (rows: string | undefined) =>
  (row: string): boolean =>
    rows === undefined || partsOf(rows).some((words) => hasAll(row, words));

/** What is wrong with `--rows`: the first part that no row has all words of. */
export function wrongRows(rows: string | undefined, names: readonly string[]): string | undefined {
  if (rows === undefined) return undefined;
  const lost = partsOf(rows).find((words) => !names.some((name) => hasAll(name, words)));
  return lost && `--rows: no row has the words "${lost.join(' ')}"; the rows are: ${[...new Set(names)].join('; ')}`;
}

/** Without peers: our side of each row with a goal, once. */
export function oursAlone(all: readonly Pair[]): Pair[] {
  return all.filter(({ name, goal }, i) => goal && all.findIndex((other) => other.name === name) === i);
}

function unet(what: 'forward' | 'pullback', goal: number, sides: readonly number[]): Pair[] {
  return sides.flatMap((pixels, i) => {
    const name = `UNet ${what}, ${pixels} px`;
    const row = { kind: 'time', name, workload: what, pixels, ours: '' } as const;
    const checkpointed = { peer: 'block checkpointing', peerName: 'PyTorch, blocks checkpointed' };
    return [
      { ...row, peer: '', peerName: 'PyTorch', goal },
      ...(what === 'pullback' ? [{ ...row, ...checkpointed, goal }] : []),
      { ...row, peer: 'bfloat16', peerName: 'PyTorch in bfloat16', results: 'rounded' },
      // Compiling takes minutes: once is enough.
      ...(i === 0 ? [{ ...row, peer: 'compile', peerName: 'torch.compile' }] : []),
    ];
  });
}

function decoderAndClip(pixels: number): Pair {
  const name = `decoder, CLIP, pullback, ${pixels} px`;
  const peer = { peer: '', peerName: 'PyTorch' };
  return { kind: 'time', name, workload: 'objective', pixels, ours: '', ...peer, goal: 0.8 };
}

function iterations(pixels: number): Pair[] {
  const row = { kind: 'time', workload: 'iteration', pixels } as const;
  const edict = { ...row, name: `iteration, EDICT, ${pixels} px`, ours: 'edict' };
  const ddim = { ...row, name: `iteration, DDIM, ${pixels} px`, ours: 'ddim' };
  const published = { peer: 'edict, as published', peerName: 'DOODL as published' };
  return [
    { ...edict, ...published, goal: 0.5 },
    { ...edict, peer: 'edict', peerName: 'careful PyTorch' },
    { ...ddim, ...published, goal: 0.25, results: 'other' },
    { ...ddim, peer: 'ddim', peerName: 'careful PyTorch' },
  ];
}

function memory(pixels: number): Pair[] {
  const row = { kind: 'memory', workload: 'iteration', pixels } as const;
  const usual = { ...row, name: `peak memory of an iteration, ${pixels} px`, ours: 'ddim' };
  const low = { ...usual, name: `${usual.name}, --memory low`, ours: 'ddim, low memory' };
  const careful = { peer: 'ddim', peerName: 'careful PyTorch' };
  const checkpointed = {
    peer: 'ddim, block checkpointing',
    peerName: `${careful.peerName}, blocks checkpointed`,
  };
  return [
    { ...usual, ...careful, goal: 0.6 },
    { ...low, ...careful, goal: 0.6 },
    { ...low, ...checkpointed },
  ];
}

/** As PyTorch does, our side keeps all its programs: where others need the memory, they would be compiled anew in each step. */
const PLENTY = { ours: 'plenty of memory', option: ', --memory plenty' };

/** Steps that read the cross-attention. */
function attention(pixels: number): Pair[] {
  const { ours, option } = PLENTY;
  const peer = { peer: '', peerName: 'careful PyTorch' };
  return (['attend-and-excite step', 'fine-tuning step'] as const).map((workload) => ({
    ...{ kind: 'time', name: `${workload}, ${pixels} px${option}`, workload, pixels, ours, ...peer },
    ...{ goal: 0.7, memory: { goal: 0.6 } },
  }));
}

/** Frames of a clip. */
const FRAMES = 8;

/** Clips under one prompt. */
function clips(pixels: number): Pair[] {
  const common = { model: 'sd14-motion', pixels, frames: FRAMES } as const;
  return forwardAndPullback((what) => `frames ${what}, ${FRAMES} of ${pixels} px`, common);
}

/** Stable Diffusion 3.5 medium under one prompt; ours maps its file of bfloat16, PyTorch has it in float32. */
function flows(pixels: number): Pair[] {
  return forwardAndPullback((what) => `SD 3.5 medium ${what}, ${pixels} px`, {
    model: 'sd35-medium',
    pixels,
  });
}

/** Under one prompt. Without checkpointing these pullbacks need more memory in PyTorch than most machines have. */
function forwardAndPullback(
  name: (what: string) => string,
  common: Pick<Pair, 'model' | 'pixels' | 'frames'>,
): Pair[] {
  const row = { ...common, kind: 'time', guidanceScale: 1, ours: '' } as const;
  const checkpointed = { peer: 'block checkpointing', peerName: 'PyTorch, blocks checkpointed' };
  return [
    {
      ...row,
      name: name('forward'),
      workload: 'forward',
      peer: '',
      peerName: 'PyTorch',
      goal: 0.8,
      memory: {},
    },
    {
      ...{ ...row, name: name('pullback'), workload: 'pullback', ...checkpointed },
      ...{ goal: 0.7, memory: { goal: 0.6 } },
    },
  ];
}
