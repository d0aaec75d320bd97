/**
 * @file A process that is to be killed, for tests. `add <data folder>` adds weights again and again, which hold 0 and 1 in turn;
 * `pull <model>` pulls a model, where the variables of the Hub say.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTensorFile } from '../src/weights/formats/tensor-file.ts';
import { writeSafetensors } from '../src/weights/formats/write-safetensors.ts';
import { pullModel } from '../src/weights/hub/pull.ts';
import { storeAdded } from '../src/weights/open/store-added.ts';

const [, , what, where] = process.argv;

/** The weights of one turn: as many tensors as there are chances to be killed between them. */
async function weightsOf(value: number) {
  const path = join(mkdtempSync(join(tmpdir(), 'sgool-kill-source-')), 'w.safetensors');
  const one = () => ({ dtype: 'F32' as const, shape: [20_000], data: new Float32Array(20_000).fill(value) });
  await writeSafetensors(path, Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`t${i}`, one()])));
  return (await openTensorFile(path)).tensors;
}

if (what === 'pull') {
  process.stdout.write('ready\n');
  await pullModel(where);
  process.stdout.write('done\n');
} else {
  const weights = [await weightsOf(0), await weightsOf(1)];
  const env = { SGOOL_DATA_DIR: where };
  for (let turn = 0; ; turn++) {
    const value = turn % 2;
    await storeAdded('hps-v2', { value }, weights[value], env, { 'vocab.txt': String(value) });
    if (turn === 1) process.stdout.write('ready\n');
  }
}
