/** @file The models with random weights that both sides run, made on the first use. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { FULL_SIZE_MODELS, type FullSizeName } from '../networks/models.ts';

const MAKE = fileURLToPath(new URL('../networks/make.ts', import.meta.url));

/** The folder of a model with random weights, its widths divided by `divisor`. It is kept for the next run. */
export async function randomModel(model: FullSizeName, divisor: 1 | 8): Promise<string> {
  const folder = join(tmpdir(), `sgool-bench-${model}${divisor === 1 ? '' : '-eighth'}`);
  const { files } = FULL_SIZE_MODELS[model](divisor);
  // The last file that is written.
  const { name, stem } = files[files.length - 1];
  if (existsSync(join(folder, name, `${stem}.safetensors`))) return folder;
  const words = [MAKE, '--model', model, '--folder', folder, '--divisor', `${divisor}`];
  await promisify(execFile)(process.execPath, [...process.execArgv, ...words]);
  return folder;
}
