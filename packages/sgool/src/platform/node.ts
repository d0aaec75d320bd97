/** @file The platform on Node; see `platform.ts`. */
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { type FileHandle, open, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { deflateSync, gunzipSync, inflateSync } from 'node:zlib';
import { UserError } from '../errors.ts';
import { fileSystemReason } from './file-errors.ts';
import type { Compression, Disk, Files, Host, ImageDecoder, Places } from './platform.ts';

export const places: Places = { join, dirname, basename, resolve };

/** One `read` takes at most 2 GiB on Linux. */
const READ_BYTES = 2 ** 30;

function refused(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const reason =
    code === 'ENOENT'
      ? 'the file does not exist'
      : code === 'EISDIR'
        ? 'it is a folder'
        : fileSystemReason(error);
  return reason === undefined ? error : new UserError(`cannot read ${path}: ${reason}`, { cause: error });
}

function truncated(path: string, end: number): UserError {
  return new UserError(`${path}: the file ends at byte ${end}, it is truncated`);
}

async function readFrom(file: FileHandle, offset: number, length: number, path: string) {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const part = bytes.subarray(done, Math.min(length, done + READ_BYTES));
    const { bytesRead } = await file.read(part, 0, part.length, offset + done);
    if (bytesRead === 0) throw truncated(path, offset + done);
    done += bytesRead;
  }
  return bytes;
}

async function read<T>(path: string, how: () => Promise<T>): Promise<T> {
  try {
    return await how();
  } catch (error) {
    throw refused(path, error);
  }
}

const statOf = (path: string) => stat(path).catch(() => undefined);

export const files: Files = {
  readText: (path) => read(path, () => readFile(path, 'utf8')),
  readBytes: (path) => read(path, () => readFile(path)),
  exists: async (path) => (await statOf(path)) !== undefined,
  isFile: async (path) => (await statOf(path))?.isFile() === true,
  isFolder: async (path) => (await statOf(path))?.isDirectory() === true,
  list: (folder) => read(folder, () => readdir(folder)),

  async withFile(path, use) {
    try {
      // Non-blocking, so that a named pipe is refused below instead of waited for.
      const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      try {
        const found = await handle.stat();
        if (!found.isFile()) throw new UserError(`cannot read ${path}: it is not a file`);
        const { size } = found;
        return await use({
          path,
          realPath: await realpath(path),
          size,
          read(offset, length) {
            // Checked before anything is allocated: lengths come from headers that cannot be trusted.
            if (offset + length > size) throw truncated(path, size);
            return readFrom(handle, offset, length, path);
          },
        });
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw refused(path, error);
    }
  },

  readRangeSync(path, offset, length) {
    try {
      const file = openSync(path, 'r');
      try {
        const bytes = new Uint8Array(length);
        let done = 0;
        while (done < length) {
          const part = Math.min(length - done, READ_BYTES);
          const count = readSync(file, bytes, done, part, offset + done);
          if (count === 0) throw truncated(path, offset + done);
          done += count;
        }
        return bytes;
      } finally {
        closeSync(file);
      }
    } catch (error) {
      throw refused(path, error);
    }
  },
};

const found = (path: string) => statSync(path, { throwIfNoEntry: false });

export const disk: Disk = {
  exists: existsSync,
  isFolder: (path) => found(path)?.isDirectory() === true,
  list: (path) => (existsSync(path) ? readdirSync(path) : []),
  size: (path) => found(path)?.size ?? 0,
  readText(path) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  },
};

export const compression: Compression = {
  deflate: (bytes) => deflateSync(bytes, { level: 9 }),
  inflate: (bytes, maxBytes) => inflateSync(bytes, { maxOutputLength: maxBytes }),
  gunzip: (bytes, maxBytes) => gunzipSync(bytes, { maxOutputLength: maxBytes }),
};

export const imageDecoder: ImageDecoder = {
  async decode(file, background, accept) {
    const { default: sharp } = await import('sharp');
    const open = () => sharp(file, { limitInputPixels: false, failOn: 'error' });
    const { width, height } = await open().metadata();
    accept(width, height);
    const { data, info } = await open()
      .autoOrient()
      .flatten({ background })
      .toColourspace('srgb')
      .removeAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const pixels = new Uint8Array(data.buffer, data.byteOffset, data.length);
    return { width: info.width, height: info.height, data: pixels };
  },
};

export const host: Host = {
  kind: 'node',
  system: process.platform,
  environment: process.env,
  homeFolder: homedir,
  packageFolder(name) {
    try {
      // Resolved from here, so that it is found wherever the package manager has put it.
      return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
    } catch {
      return undefined;
    }
  },
  locate: (text) => (existsSync(text) ? resolve(text) : undefined),
  cpuSeconds() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
};
