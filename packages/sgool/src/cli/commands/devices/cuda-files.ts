/**
 * @file The files of ONNX Runtime's package for Node, and those that replace them for CUDA.
 *
 * The library of the package knows the CPU and WebGPU. The one of the Python wheel knows CUDA, has the same version and interface, and
 * loads its providers from its own folder.
 */
import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type RuntimeLibrary, runtimeLibrary } from '@sgool/autodiff';
import { files } from '#platform';
import { UserError } from '../../../errors.ts';
import { fileSystemReason } from '../../../platform/file-errors.ts';
import { SIZE_LIMITS } from '../../../platform/size-limits.ts';
import { createFile, renameDurably, writeFileAtomic } from '../../../weights/sources/atomic-file.ts';

/** The name under which the package's binding loads the library. */
export const LIBRARY = 'libonnxruntime.so.1';
/** The library of the package, as long as another one stands in its place. */
export const ORIGINAL = `${LIBRARY}.cpu`;
export const PROVIDERS = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'] as const;

/** The files for CUDA, by the names that they get. */
export type Libraries = ReadonlyMap<string, Uint8Array>;

/** @throws UserError where CUDA does not exist for this platform */
export function installedRuntime(): RuntimeLibrary {
  const library = runtimeLibrary();
  if (library && process.platform === 'linux' && process.arch === 'x64') return library;
  throw new UserError(
    `devices: ONNX Runtime has CUDA for Linux on x64 only, this is ${process.platform}/${process.arch}`,
  );
}

/** Puts the files in place; the library before is kept. @throws UserError where the folder cannot be written */
export async function installLibraries(folder: string, libraries: Libraries): Promise<void> {
  await writing(folder, async () => {
    for (const name of PROVIDERS)
      await writeFileAtomic(join(folder, name), libraries.get(name) ?? new Uint8Array());
    // The first one stays: a second `add` must not keep the library of the first as the original.
    await createFile(
      join(folder, ORIGINAL),
      await files.readBytes(join(folder, LIBRARY), SIZE_LIMITS.library),
    );
    await writeFileAtomic(join(folder, LIBRARY), libraries.get(LIBRARY) ?? new Uint8Array());
  });
}

/** Whether the files that `installLibraries` puts in place are there. */
export const areInstalled = (folder: string): Promise<boolean> =>
  access(join(folder, ORIGINAL)).then(
    () => true,
    () => false,
  );

/** Puts back what `installLibraries` has replaced. @returns whether there was anything */
export async function undoLibraries(folder: string): Promise<boolean> {
  if (!(await areInstalled(folder))) return false;
  await writing(folder, async () => {
    await renameDurably(join(folder, ORIGINAL), join(folder, LIBRARY));
    for (const name of PROVIDERS) await rm(join(folder, name), { force: true });
  });
  return true;
}

async function writing(folder: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const reason = error instanceof UserError ? undefined : fileSystemReason(error);
    if (reason === undefined) throw error;
    throw new UserError(`devices: cannot write to ${folder}: ${reason}`, { cause: error });
  }
}
