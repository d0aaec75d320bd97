/** @file The entry of all benchmarks: `npm run bench -- [program] [options]`. Without a program `runs` is meant. */

const PROGRAMS = {
  runs: () => import('./runs/compare.ts'),
  ops: () => import('./engine/ops.ts'),
  alternatives: () => import('./engine/alternatives.ts'),
  networks: () => import('./networks/measure.ts'),
  make: () => import('./networks/make.ts'),
} as const;

const HELP = `Usage: npm run bench -- [program] [options]

  runs          whole iterations and their parts beside PyTorch and diffusers, in turns (the default)
  ops           GFLOP/s of single ops, and where the time of a UNet's pullback goes (npm run bench:ops)
  alternatives  ways to compute the gradients of a convolution, side by side
  networks      time and memory of the parts of a full-size model (npm run bench:full-size)
  make          writes a full-size model with random weights (npm run make:full-size)

\`npm run bench -- <program> --help\` lists the options of a program. bench/README.md says more.
`;

const [word = 'runs'] = process.argv.slice(2);
if (word === '--help') {
  process.stdout.write(HELP);
} else {
  const isNamed = word in PROGRAMS;
  if (isNamed) process.argv.splice(2, 1);
  await PROGRAMS[isNamed ? (word as keyof typeof PROGRAMS) : 'runs']();
}
