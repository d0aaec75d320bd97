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
  /** Highest ratio ours / peer. Of several rows of one name the goal counts for the one with the best peer. */
  readonly goal?: number;
  /** Of the peer: the same numbers (default), the same with fewer digits, or another sampler's. */
  readonly results?: 'same' | 'rounded' | 'other';
}

/**
 * @param sides of the pictures in pixels, the smaller one first; whole iterations are timed on the smaller one, their
 * memory is taken on the larger one
 */
export function pairs([small, large]: readonly [number, number]): Pair[] {
  const both = (make: (pixels: number) => Pair[]) => [small, large].flatMap(make);
  const eager = 'PyTorch';
  return [
    ...both((pixels) => {
      const row = { kind: 'time', work: 'unet forward', pixels, ours: '' } as const;
      const name = `UNet forward, ${pixels} px`;
      return [
        { ...row, name, peer: '', peerName: eager, goal: 0.8 },
        {
          ...row,
          name: `${name}, bfloat16`,
          peer: 'bfloat16',
          peerName: `${eager} in bfloat16`,
          results: 'rounded',
        },
        { ...row, name: `${name}, compiled`, peer: 'compile', peerName: 'torch.compile' },
      ];
    }),
    ...both((pixels) => {
      const row = { kind: 'time', work: 'unet pullback', pixels, ours: '' } as const;
      const name = `UNet pullback, ${pixels} px`;
      return [
        { ...row, name, peer: '', peerName: eager, goal: 0.7 },
        { ...row, name, peer: 'block checkpointing', peerName: `${eager}, blocks checkpointed`, goal: 0.7 },
        {
          ...row,
          name: `${name}, bfloat16`,
          peer: 'bfloat16',
          peerName: `${eager} in bfloat16`,
          results: 'rounded',
        },
        { ...row, name: `${name}, compiled`, peer: 'compile', peerName: 'torch.compile' },
      ];
    }),
    ...both((pixels) => [
      {
        kind: 'time',
        name: `decoder, CLIP and pullback, ${pixels} px`,
        work: 'objective',
        pixels,
        ours: '',
        peer: '',
        peerName: eager,
        goal: 0.8,
      },
    ]),
    ...iterations(small),
    ...memory(large),
  ];
}

/** Without peers: our side of each row that has a goal, once. */
export function alone(all: readonly Pair[]): Pair[] {
  return all.filter(({ name, goal }, i) => goal && all.findIndex((other) => other.name === name) === i);
}

function iterations(pixels: number): Pair[] {
  const row = { kind: 'time', work: 'iteration', pixels } as const;
  const edict = { ...row, name: `iteration, EDICT, ${pixels} px`, ours: 'edict' };
  const ddim = { ...row, name: `iteration, DDIM, ${pixels} px`, ours: 'ddim' };
  const published = { peer: 'edict, as published', peerName: 'DOODL as published' };
  return [
    { ...edict, ...published, goal: 0.5 },
    { ...edict, name: `${edict.name}, careful`, peer: 'edict', peerName: 'careful PyTorch, EDICT' },
    { ...ddim, ...published, goal: 0.25, results: 'other' },
    { ...ddim, name: `${ddim.name}, careful`, peer: 'ddim', peerName: 'careful PyTorch, DDIM' },
  ];
}

function memory(pixels: number): Pair[] {
  const row = { kind: 'memory', work: 'iteration', pixels } as const;
  const name = `peak memory of an iteration, ${pixels} px`;
  const careful = { peer: 'ddim', peerName: 'careful PyTorch' };
  const checkpointed = {
    peer: 'ddim, block checkpointing',
    peerName: 'careful PyTorch, blocks checkpointed',
  };
  return [
    { ...row, name, ours: 'ddim', ...careful, goal: 0.6 },
    { ...row, name: `${name}, --memory low`, ours: 'ddim, low memory', ...careful, goal: 0.6 },
    { ...row, name: `${name}, --memory low, most careful`, ours: 'ddim, low memory', ...checkpointed },
  ];
}
