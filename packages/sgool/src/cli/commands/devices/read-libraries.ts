/** @file The CUDA files of ONNX Runtime from where the user has them: a Python wheel, or a folder. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { unzipSync } from 'fflate';
import { files } from '#platform';
import { UserError } from '../../../errors.ts';
import { fileSystemReason } from '../../../platform/file-errors.ts';
import { SIZE_LIMITS } from '../../../platform/size-limits.ts';
import { LIBRARY, type Libraries, PROVIDERS } from './cuda-files.ts';

/** Where the files are below a folder: beside each other, in the package, or in site-packages. */
const PLACES = ['', 'capi', 'onnxruntime/capi'];
/** Its name ends with the version. */
const NUMBERED = /^libonnxruntime\.so\.(\d+\.\d+\.\d+)$/;

/**
 * @param version of the installed package, which the files must have
 * @throws UserError where the path is missing, holds no such files, or those of another version
 */
export async function readLibraries(path: string, version: string): Promise<Libraries> {
  const found = await stat(path).catch((error: unknown) => {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = isMissing ? 'it does not exist' : (fileSystemReason(error) ?? String(error));
    throw new UserError(`devices: cannot read ${path}: ${reason}`, { cause: error });
  });
  return found.isDirectory() ? fromFolder(path, version) : fromWheel(path, version);
}

async function fromFolder(path: string, version: string): Promise<Libraries> {
  for (const place of PLACES) {
    const folder = join(path, place);
    const names: readonly string[] = await readdir(folder).catch(() => []);
    if (!names.some((name) => NUMBERED.test(name))) continue;
    return taken(path, version, names, (name) => files.readBytes(join(folder, name), SIZE_LIMITS.library));
  }
  throw incomplete(path, `libonnxruntime.so.${version}`);
}

async function fromWheel(path: string, version: string): Promise<Libraries> {
  const bytes = await files.readBytes(path, SIZE_LIMITS.library);
  let unpacked: Record<string, Uint8Array>;
  try {
    unpacked = unzipSync(bytes, {
      filter: ({ name, originalSize }) => {
        const file = basename(name);
        const isWanted = NUMBERED.test(file) || PROVIDERS.some((one) => one === file);
        return isWanted && originalSize <= SIZE_LIMITS.library.bytes;
      },
    });
  } catch (error) {
    const { message } = error as Error;
    throw new UserError(
      `devices: ${path} is no wheel (${message}); give that of onnxruntime-gpu ${version}`,
      {
        cause: error,
      },
    );
  }
  const contents = new Map(Object.entries(unpacked).map(([name, content]) => [basename(name), content]));
  return taken(path, version, [...contents.keys()], async (name) => contents.get(name) as Uint8Array);
}

/** The files for CUDA among those that there are. @throws UserError where one is missing or of another version */
async function taken(
  path: string,
  version: string,
  names: readonly string[],
  read: (name: string) => Promise<Uint8Array>,
): Promise<Libraries> {
  const library = names.find((name) => NUMBERED.test(name));
  if (library === undefined) throw incomplete(path, `libonnxruntime.so.${version}`);
  checkVersion(library, version, path);
  const missing = PROVIDERS.find((name) => !names.includes(name));
  if (missing !== undefined) throw incomplete(path, missing);
  const libraries = new Map([[LIBRARY, await read(library)]]);
  for (const name of PROVIDERS) libraries.set(name, await read(name));
  return libraries;
}

function checkVersion(library: string, version: string, path: string): void {
  const found = NUMBERED.exec(library)?.[1];
  if (found === version) return;
  throw new UserError(
    `devices: ${path} holds ONNX Runtime ${found}, the package for Node is ${version}; give onnxruntime-gpu==${version}`,
  );
}

const incomplete = (path: string, missing: string) =>
  new UserError(
    `devices: ${path} holds no ${missing}; give the wheel onnxruntime-gpu, or a folder with its files`,
  );
