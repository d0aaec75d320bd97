/** @file What is measured: pairs of works that take turns, memory of one run, and how our own iteration grows. */
import type { WorkName } from './work.ts';

/** Our work beside a peer's, which take turns in the same run. */
export interface Pair {
  readonly kind: 'time' | 'memory';
  readonly name: string;
  readonly work: WorkName;
  readonly pixels: number;
  /** Variants, in the words of ours-works.ts and peers/works.py. */
  readonly ours: string;
  readonly peer: string;
  /** What the peer is, for the table. */
  readonly peerName: string;
  /** Highest ratio ours / peer. Of several rows of one name that have it, it counts for the one with the best peer. */
  readonly goal?: number;
  /** Of the peer: the same numbers (default), the same with fewer digits, or another sampler's. */
  readonly results?: 'same' | 'rounded' | 'other';
}

/**
 * @param sides of the images in pixels, the smaller one first; whole iterations are timed on the smaller one, their
 * memory is taken on the larger one
 */
export function pairs([small, large]: readonly [number, number]): Pair[] {
  return [
    ...unet('forward', 0.8, [small, large]),
    ...unet('pullback', 0.7, [small, large]),
    ...[small, large].map((pixels) => decoderAndClip(pixels)),
    ...iterations(small),
    ...memory(large),
  ];
}

/** Which rows are meant by `--rows`: parts with commas between, of each of which all words occur in the row; all without it. */
export function chooser(rows: string | undefined): (row: string) => boolean {
  if (rows === undefined) return () => true;
  const parts = rows
    .toLowerCase()
    .split(',')
    .map((part) => part.trim().split(/\s+/));
  return (row) => parts.some((words) => words.every((word) => row.toLowerCase().includes(word)));
}

/** Without peers: our side of each row that has a goal, once. */
export function alone(all: readonly Pair[]): Pair[] {
  return all.filter(({ name, goal }, i) => goal && all.findIndex((other) => other.name === name) === i);
}

function unet(what: 'forward' | 'pullback', goal: number, sides: readonly number[]): Pair[] {
  return sides.flatMap((pixels, i) => {
    const name = `UNet ${what}, ${pixels} px`;
    const row = { kind: 'time', name, work: `unet ${what}`, pixels, ours: '' } as const;
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
  return { kind: 'time', name, work: 'objective', pixels, ours: '', ...peer, goal: 0.8 };
}

function iterations(pixels: number): Pair[] {
  const row = { kind: 'time', work: 'iteration', pixels } as const;
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
  const row = { kind: 'memory', work: 'iteration', pixels } as const;
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
