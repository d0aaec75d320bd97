/**
 * @file Writes a model of full size with random weights, in the published layout: file names, tensor names and, for Stable Diffusion
 * 1.4, file sizes are those of the real files, to the byte.
 */
import { mkdir, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { sizeOf } from '@sgool/autodiff';
import { callerPath } from '../caller-path.ts';
import { FULL_SIZE_MODELS, FULL_SIZE_NAMES } from './models.ts';
import type { FullSizeModel, Names, NetworkFile } from './network-file.ts';
import { writeRandomWeights } from './random-weights.ts';
import { writeT5Tokenizer } from './t5-tokenizer.ts';
import { writeTokenizer } from './tokenizer.ts';

const HELP = `Usage: npm run make:full-size -- --folder <folder> [options]

  --folder <folder>   where the model is written; both precisions may share one
  --model <name>      ${FULL_SIZE_NAMES.join(', ')} (sd14)
  --precision <name>  fp32, fp16 or bf16 (as the model is published: fp32 for sd14, bf16 for the flows)
  --names <name>      tensor names as in the old published files or in the new ones (old for sd14 in fp32)
  --divisor <n>       of all widths, for a smaller model of the same depth: 1, 2, 4 or 8 (1)
  --seed <n>          of the weights (0)
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    folder: { type: 'string' },
    precision: { type: 'string' },
    names: { type: 'string' },
    divisor: { type: 'string', default: '1' },
    seed: { type: 'string', default: '0' },
    model: { type: 'string', default: 'sd14' },
  },
});

if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}
const folder = callerPath(values.folder ?? fail('--folder is missing; give one outside the repository'));
const divisor = Number(oneOf('divisor', values.divisor, ['1', '2', '4', '8'] as const));
const model: FullSizeModel = FULL_SIZE_MODELS[oneOf('model', values.model, FULL_SIZE_NAMES)](divisor);
const precision = oneOf('precision', values.precision ?? model.precision, ['fp32', 'fp16', 'bf16'] as const);
// What was published in float32 is that old.
const ownNames: Names = model.precision === 'fp32' && precision === 'fp32' ? 'old' : 'new';
const names: Names = oneOf('names', values.names ?? ownNames, ['old', 'new'] as const);

const TOKENIZERS = { clip: writeTokenizer, t5: writeT5Tokenizer };

await main();

async function main(): Promise<void> {
  await mkdir(folder, { recursive: true });
  await checkSpace();
  for (const [name, content] of Object.entries(model.documents)) await writeJson(name, content);
  for (const [name, kind] of Object.entries(model.tokenizers)) {
    await mkdir(join(folder, name), { recursive: true });
    await TOKENIZERS[kind](join(folder, name));
  }
  for (const file of model.files) await writeNetwork(file);
}

async function writeNetwork(file: NetworkFile): Promise<void> {
  // Published in one precision only: both variants of the model use that file.
  if (file.only !== undefined && file.only !== precision) return;
  await writeJson(`${file.name}/config.json`, file.config);
  const variant = precision === 'fp16' ? '.fp16' : '';
  const path = join(folder, file.name, `${file.stem}${variant}.safetensors`);
  const started = performance.now();
  const seed = Number(values.seed);
  const namesOfFile = file.only === undefined ? names : 'new';
  const bytes = await writeRandomWeights(path, file, { precision, names: namesOfFile, seed });
  const expected = names === ownNames ? file.published?.[precision] : undefined;
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

async function checkSpace(): Promise<void> {
  const elements = model.files
    .flatMap(({ shapes }) => [...shapes.values()])
    .reduce((sum, shape) => sum + sizeOf(shape), 0);
  const needed = elements * (precision === 'fp32' ? 4 : 2);
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < 1.1 * needed) {
    fail(`${folder}: needs ${gigabytes(needed)} of free space, got ${gigabytes(bavail * bsize)}`);
  }
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

async function writeJson(name: string, content: unknown): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
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
