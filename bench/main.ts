/** @file The entry of all benchmarks: `npm run bench -- [program] [options]`. The default program is `runs`. */

const PROGRAMS = {
  runs: () => import('./runs/compare.ts'),
  gpu: () => import('./gpu/compare.ts'),
  ops: () => import('./engine/ops.ts'),
  alternatives: () => import('./engine/alternatives.ts'),
  networks: () => import('./networks/measure.ts'),
  clips: () => import('./networks/clip-memory.ts'),
  queue: () => import('./queue/load.ts'),
  make: () => import('./networks/make.ts'),
} as const;

const HELP = `Usage: npm run bench -- [program] [options]

  runs          whole iterations and their parts, compared with PyTorch and diffusers, in turns (the default)
  gpu           iterations on an NVIDIA card, beside PyTorch: time, memory, results (npm run bench:gpu)
  ops           GFLOP/s of single ops, and the time of each part of a UNet's pullback (npm run bench:ops)
  alternatives  several ways to compute the gradients of a convolution
  networks      time and memory of the parts of a full-size model (npm run bench:full-size)
  clips         memory of a network call of a clip and of its gradient, by the number of frames
  queue         what many workers do to the store of an evaluation: claims, heartbeats, connections
  make          writes a full-size model with random weights (npm run make:full-size)

\`npm run bench -- <program> --help\` lists the options of a program. bench/README.md has the details.
`;

const [word = 'runs'] = process.argv.slice(2);
if (word === '--help') {
  process.stdout.write(HELP);
} else {
  const isNamed = word in PROGRAMS;
  if (isNamed) process.argv.splice(2, 1);
  await PROGRAMS[isNamed ? (word as keyof typeof PROGRAMS) : 'runs']();
}
