/** @file The model with random weights that both sides run, made on the first use. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const MAKE = fileURLToPath(new URL('../networks/make.ts', import.meta.url));

/** The folder of a model of Stable Diffusion 1.4's shape, its widths divided by `divisor`. It is kept for the next run. */
export async function randomModel(divisor: 1 | 8): Promise<string> {
  const folder = join(tmpdir(), `sgool-bench-${divisor === 1 ? 'full' : 'eighth'}`);
  // The last file that is written.
  if (existsSync(join(folder, 'clip', 'model.safetensors'))) return folder;
  const words = [...process.execArgv, MAKE, '--folder', folder, '--divisor', `${divisor}`];
  await promisify(execFile)(process.execPath, words);
  return folder;
}
