/** @file Toybox for tests: whether its weights are here, and copies of it that are broken in one place. */
import { cp, mkdtemp, open, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { DEFAULT_MODEL, listModels } from 'sgool';
import { openSafetensors } from 'sgool/networks';
import { describe } from 'vitest';

const found = listModels().find(({ name }) => name === DEFAULT_MODEL);

/** `describe` where the weights lie in the repository; elsewhere the tests are skipped, and their title says why. */
export function describeOnToybox(title: string, tests: () => void): void {
  if (found) describe(title, tests);
  else describe.skip(`${title} (skipped: packages/toybox-models/toybox holds no model)`, tests);
}

/** A folder that is removed by its `remove`. */
export async function temporaryFolder() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sgool-test-'));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

/** Copies Toybox, so that its files can be damaged. */
export async function copyOfToybox() {
  const copy = await temporaryFolder();
  if (!found) throw new Error('copyOfToybox: there is no Toybox');
  await cp(found.dir, copy.dir, { recursive: true });
  return copy;
}

/** Changes the first value of a float16 tensor in its file, to the one with these bits: not a number, unless given. */
export async function poison(file: string, tensor: string, bits = 0x7e00): Promise<void> {
  const { tensors } = await openSafetensors(file);
  const stored = tensors.get(tensor);
  if (!stored) throw new Error(`poison: ${file} has no tensor ${tensor}`);
  const handle = await open(file, 'r+');
  try {
    await handle.write(Uint8Array.of(bits & 0xff, bits >> 8), 0, 2, stored.byteOffset);
  } finally {
    await handle.close();
  }
}
