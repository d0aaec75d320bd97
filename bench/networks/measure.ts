/** @file Time and memory of the parts of a full-size model, each in a process of its own, as a table and as JSON. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { openModelFolder } from 'sgool/networks';
import { callerPath } from '../caller-path.ts';
import { PARTS, type PartOptions, type PartResult, runPart } from './parts.ts';

/** Highest peak memory of plain float32 generation, as a multiple of the bytes of the weights that it uses. */
const GOAL = 1.35;

const HELP = `Usage: npm run bench:full-size -- <folder> [options]

The folder holds a model, such as make:full-size writes.

  --parts <names>   ${Object.keys(PARTS).join(', ')}; separated by commas (all)
  --threads <n>     (2)
  --variant <name>  of the weight files, such as fp16
  --memory <name>   memory budget of the library, such as low
  --json <file>     writes every measured figure
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', default: false },
    threads: { type: 'string', default: '2' },
    variant: { type: 'string' },
    memory: { type: 'string' },
    parts: { type: 'string' },
    json: { type: 'string' },
    /** The part to run in this process; the command passes it to its own child processes. */
    part: { type: 'string' },
  },
});

if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}
const [given] = positionals;
if (given === undefined) {
  process.stderr.write('bench:full-size: the model is missing; give a folder that make:full-size wrote\n');
  process.exit(1);
}
const folder = callerPath(given);
const options: PartOptions = {
  threads: Number(values.threads),
  ...(values.variant === undefined ? {} : { variant: values.variant }),
  ...(values.memory === undefined ? {} : { memory: values.memory as PartOptions['memory'] }),
};

async function measureAll(): Promise<void> {
  const names = values.parts?.split(',').map((name) => name.trim()) ?? (await partsOf());
  const weights = await weightBytes();
  const results: Record<string, PartResult | { error: string }> = {};
  process.stdout.write(
    `${row(['part', 'seconds', 'peak', 'on the heap', 'weights in use', 'ratio', 'estimated'])}\n`,
  );
  for (const name of names) {
    const used = usedBytes(name, weights);
    try {
      const result = await inOwnProcess(name);
      results[name] = result;
      const seconds = Object.entries(result.seconds).map(([stage, time]) => `${stage} ${time.toFixed(2)}`);
      const ratio = used === 0 ? '' : (result.peakBytes / used).toFixed(2);
      const hasGoal = name.startsWith('plain') && options.variant === undefined;
      const verdict = hasGoal ? (Number(ratio) <= GOAL ? ' met' : ' NOT met') : '';
      const { peakBytes, peakHeapBytes, estimate } = result;
      const expected = estimate && `${estimate.seconds.toFixed(1)} s, ${gigabytes(estimate.memoryBytes)}`;
      const memory = [peakBytes, peakHeapBytes, used].map(gigabytes);
      process.stdout.write(
        `${row([name, seconds.join(', '), ...memory, ratio + verdict, expected ?? ''])}\n`,
      );
    } catch (error) {
      const lines = (error as { stderr?: string }).stderr?.split('\n') ?? [];
      const message = lines.find((line) => line.includes('Error')) ?? String(error);
      results[name] = { error: message };
      process.stdout.write(`${row([name, message])}\n`);
    }
  }
  const report = {
    folder,
    ...options,
    weights,
    machine: { cpu: cpus()[0]?.model, node: process.versions.node },
    results,
  };
  if (values.json !== undefined) {
    await writeFile(callerPath(values.json), `${JSON.stringify(report, null, 2)}\n`);
  }
}

async function inOwnProcess(name: string): Promise<PartResult> {
  const words = [
    ...process.execArgv,
    fileURLToPath(import.meta.url),
    folder,
    ...['--part', name, '--threads', String(options.threads)],
    ...(options.variant === undefined ? [] : ['--variant', options.variant]),
    ...(options.memory === undefined ? [] : ['--memory', options.memory]),
  ];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  return JSON.parse(stdout) as PartResult;
}

/** Bytes of the weights by network; of the autoencoder only the decoder. */
async function weightBytes() {
  const { components } = await openModelFolder(folder, options);
  const of = (name: string, used = (_: string) => true) =>
    [...(components.get(name)?.weights.tensors ?? [])]
      .filter(([tensor]) => used(tensor))
      .reduce((sum, [, { byteLength }]) => sum + byteLength, 0);
  return {
    denoiser: of('unet') + of('transformer'),
    textEncoders: of('text_encoder') + of('text_encoder_2') + of('text_encoder_3'),
    decoder: of('vae', (name) => /^(decoder|post_quant_conv)\./.test(name)),
    clip: of('clip'),
    motion: of('motion_adapter'),
  };
}

function usedBytes(part: string, weights: Awaited<ReturnType<typeof weightBytes>>): number {
  const { denoiser, textEncoders, decoder, clip, motion } = weights;
  if (part === 'load') return 0;
  return (
    denoiser +
    textEncoders +
    (isForClips(part) ? motion : 0) +
    (/^(plain|sgool)/.test(part) ? decoder + clip : 0)
  );
}

/** All parts that the model has. */
async function partsOf(): Promise<string[]> {
  const { components } = await openModelFolder(folder);
  return Object.keys(PARTS).filter((name) => !isForClips(name) || components.has('motion_adapter'));
}

/** Whether a part makes clips: `8x256` are 8 frames. */
const isForClips = (part: string): boolean => /\dx\d/.test(part);

const gigabytes = (bytes: number) => (bytes === 0 ? '' : `${(bytes / 1e9).toFixed(2)} GB`);

function row(cells: readonly string[]): string {
  const widths = [14, 44, 9, 14, 12];
  return cells
    .map((cell, i) => cell.padEnd(widths[i]))
    .join('  ')
    .trimEnd();
}

if (values.part !== undefined) {
  process.stdout.write(JSON.stringify(await runPart(values.part, folder, options)));
} else {
  await measureAll();
}
