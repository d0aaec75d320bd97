/**
 * @file Writes a model of Stable Diffusion 1.4's shape with random weights, in the published layout: file names, tensor names
 * and file sizes are those of the real files, to the byte. CLIP ViT-B/32 is written to `clip/`, so that all methods run.
 */
import { mkdir, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sizeOf } from '@sgool/autodiff';
import { callerPath } from '../caller-path.ts';
import { writeRandomWeights } from './random-weights.ts';
import { type Names, type NetworkFile, networkFiles } from './stable-diffusion.ts';
import { writeTokenizer } from './tokenizer.ts';

const HELP = `Usage: npm run make:full-size -- --folder <folder> [options]

  --folder <folder>   where the model is written; both precisions may share one
  --precision <name>  fp32 or fp16 (fp32)
  --names <name>      tensor names as in the old published files or in the new ones (old for fp32, new for fp16)
  --divisor <n>       of all widths, for a smaller model of the same depth: 1, 2, 4 or 8 (1)
  --seed <n>          of the weights (0)
  --motion            also writes a motion adapter of the shape of AnimateDiff's v3
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    folder: { type: 'string' },
    precision: { type: 'string', default: 'fp32' },
    names: { type: 'string' },
    divisor: { type: 'string', default: '1' },
    seed: { type: 'string', default: '0' },
    motion: { type: 'boolean', default: false },
  },
});

if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}
const folder = callerPath(values.folder ?? fail('--folder is missing; give one outside the repository'));
const precision = oneOf('precision', values.precision, ['fp32', 'fp16'] as const);
const names: Names = oneOf('names', values.names ?? (precision === 'fp32' ? 'old' : 'new'), [
  'old',
  'new',
] as const);
const divisor = Number(oneOf('divisor', values.divisor, ['1', '2', '4', '8'] as const));

const MODEL_INDEX = {
  _class_name: 'StableDiffusionPipeline',
  _diffusers_version: '0.2.2',
  scheduler: ['diffusers', 'PNDMScheduler'],
  text_encoder: ['transformers', 'CLIPTextModel'],
  tokenizer: ['transformers', 'CLIPTokenizer'],
  unet: ['diffusers', 'UNet2DConditionModel'],
  vae: ['diffusers', 'AutoencoderKL'],
};

const SCHEDULER = {
  _class_name: 'PNDMScheduler',
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  beta_start: 0.00085,
  num_train_timesteps: 1000,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  steps_offset: 1,
  trained_betas: null,
  clip_sample: false,
};

await main();

async function main(): Promise<void> {
  const files = networkFiles(divisor, values.motion);
  await mkdir(folder, { recursive: true });
  await checkSpace(files);
  for (const name of ['scheduler', 'tokenizer']) await mkdir(join(folder, name), { recursive: true });
  await writeJson('model_index.json', MODEL_INDEX);
  await writeJson('scheduler/scheduler_config.json', SCHEDULER);
  await writeTokenizer(join(folder, 'tokenizer'));
  for (const file of files) await writeNetwork(file);
}

async function writeNetwork(file: NetworkFile): Promise<void> {
  // CLIP is published in float32 only; both variants of the model use that file.
  if (file.name === 'clip' && precision === 'fp16') return;
  await mkdir(join(folder, file.name), { recursive: true });
  await writeJson(`${file.name}/config.json`, file.config);
  const variant = precision === 'fp16' ? '.fp16' : '';
  const path = join(folder, file.name, `${file.stem}${variant}.safetensors`);
  const started = performance.now();
  const seed = Number(values.seed);
  const ownNames = file.name === 'clip' ? 'new' : names;
  const bytes = await writeRandomWeights(path, file, { precision, names: ownNames, seed });
  const asPublished = names === (precision === 'fp32' ? 'old' : 'new');
  const expected = asPublished ? file.published[precision] : undefined;
  const verdict =
    expected === undefined
      ? ''
      : bytes === expected
        ? ', as published'
        : `, but the published file has ${expected}`;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${path}: ${bytes} bytes${verdict}, ${seconds} s\n`);
  if (expected !== undefined && bytes !== expected) process.exitCode = 1;
}

async function checkSpace(files: readonly NetworkFile[]): Promise<void> {
  const elements = files
    .flatMap(({ shapes }) => [...shapes.values()])
    .reduce((sum, shape) => sum + sizeOf(shape), 0);
  const needed = elements * (precision === 'fp16' ? 2 : 4);
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < 1.1 * needed) {
    fail(`${folder}: needs ${gigabytes(needed)} of free space, got ${gigabytes(bavail * bsize)}`);
  }
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

function writeJson(name: string, content: unknown): Promise<void> {
  return writeFile(join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
}

function oneOf<const T extends string>(name: string, value: string, choices: readonly T[]): T {
  return (
    choices.find((choice) => choice === value) ??
    fail(`--${name} must be ${choices.join(' or ')}, got ${value}`)
  );
}

function fail(message: string): never {
  process.stderr.write(`make:full-size: ${message}\n`);
  process.exit(1);
}
