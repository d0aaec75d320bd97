/**
 * @file Peak memory of one network call of a clip and of its gradient, by the number of frames, beside the features that the network must keep
 * from its way down to its way up. Each number of frames is measured in a process of its own.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { loadPipeline } from 'sgool';

const HELP = `Usage: npm run bench -- clips [options]

  --model <name>    (toybox)
  --motion <name>   (toybox-motion)
  --size <pixels>   side of the frames (256)
  --frames <list>   numbers of frames (1,8,16,32); those behind the adapter's own are seen in windows
  --threads <n>     (2)
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    model: { type: 'string', default: 'toybox' },
    motion: { type: 'string', default: 'toybox-motion' },
    size: { type: 'string', default: '256' },
    frames: { type: 'string', default: '1,8,16,32' },
    threads: { type: 'string', default: '2' },
    /** The number of frames to run in this process, and whether with the gradient; the command passes both to its own child processes. */
    run: { type: 'string' },
    gradient: { type: 'boolean', default: false },
  },
});

interface Measured {
  /** Highest resident memory of the process, and that before the first call, in bytes. */
  readonly peak: number;
  readonly before: number;
  readonly kept: number;
}

const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0).padStart(8);

if (values.help) process.stdout.write(HELP);
else if (values.run === undefined) await measureAll();
else process.stdout.write(JSON.stringify(await measureOne(Number(values.run), values.gradient)));

async function measureAll(): Promise<void> {
  process.stdout.write(
    'frames  forward  gradient  features kept   (MiB above what the process had before)\n',
  );
  for (const frames of values.frames.split(',')) {
    const [forward, gradient] = [await child(frames, false), await child(frames, true)];
    process.stdout.write(
      `${frames.padStart(6)} ${mebibytes(forward.peak - forward.before)}  ${mebibytes(gradient.peak - gradient.before)}      ${mebibytes(forward.kept)}\n`,
    );
  }
}

async function child(frames: string, gradient: boolean): Promise<Measured> {
  const own = process.argv.slice(2).filter((word) => word !== 'clips');
  const words = [...process.execArgv, process.argv[1], 'clips', ...own, '--run', frames];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...words,
    ...(gradient ? ['--gradient'] : []),
  ]);
  return JSON.parse(stdout) as Measured;
}

async function measureOne(frames: number, withGradient: boolean): Promise<Measured> {
  const { model, motion, size, threads } = values;
  const pipeline = await loadPipeline(model, { motion, contextFrames: 8, threads: Number(threads) });
  const sides = { width: Number(size), height: Number(size), frames };
  const shape = pipeline.latentShape(sides);
  const latent = Float64Array.from({ length: shape.reduce((all, one) => all * one, 1) }, (_, i) =>
    Math.sin(i),
  );
  const denoiser = await pipeline.denoiser({
    ...sides,
    prompt: 'a red cat',
    guidanceScale: 2,
    steps: 1,
    timesteps: [500],
    promptSyntax: 'plain',
    clipSkip: 1,
    evaluations: { forward: 0, pullback: 0 },
  } as unknown as Parameters<typeof pipeline.denoiser>[0]);
  const before = process.memoryUsage().rss;
  if (withGradient) await denoiser.pullback(latent, 500, latent);
  else await denoiser.predict(latent, 500);
  const peak = 1024 * process.resourceUsage().maxRSS;
  const kept = await featureBytes(pipeline.model.dir, frames, shape);
  await pipeline.dispose();
  return { peak, before, kept };
}

/** Bytes of what the UNet keeps for its way up: the first convolution, each block, each smaller copy; of the prompt and of no prompt. */
async function featureBytes(folder: string, frames: number, shape: readonly number[]): Promise<number> {
  const config = JSON.parse(await readFile(join(folder, 'unet/config.json'), 'utf8')) as {
    block_out_channels: number[];
    layers_per_block: number;
  };
  const { block_out_channels: channels, layers_per_block: layers } = config;
  let [height, width] = shape.slice(-2);
  let numbers = channels[0] * height * width;
  channels.forEach((count, block) => {
    numbers += layers * count * height * width;
    if (block === channels.length - 1) return;
    [height, width] = [height / 2, width / 2];
    numbers += count * height * width;
  });
  return 2 * frames * numbers * Float32Array.BYTES_PER_ELEMENT;
}
