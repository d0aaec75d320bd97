/** @file The platform on Node; see `platform.ts`. */
import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { deflateSync, gunzipSync, inflateSync } from 'node:zlib';
import type { Metadata } from 'sharp';
import { UserError } from '../errors.ts';
import { loadSharp } from './load-sharp.ts';
import {
  readPlainFile,
  readPlainFileSync,
  readPlainRangeSync,
  refused,
  utf8,
  withPlainFile,
} from './plain-file.ts';
import type { Compression, Disk, Files, Host, ImageDecoder, Places } from './platform.ts';

export { movingPictures } from './moving-pictures.ts';
export { processes } from './processes.ts';

export const places: Places = { join, dirname, basename, resolve };

const statOf = (path: string) => stat(path).catch(() => undefined);

/** Whether an error says that there is nothing. Anything else, such as a circle of links, is something that is there. */
const isNothing = (error: unknown) =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException | undefined)?.code ?? '');

export const files: Files = {
  readText: async (path, limit) => utf8(await readPlainFile(path, limit), path),
  readBytes: readPlainFile,
  async exists(path) {
    try {
      await stat(path);
      return true;
    } catch (error) {
      if (isNothing(error)) return false;
      throw refused(path, error);
    }
  },
  isFile: async (path) => (await statOf(path))?.isFile() === true,
  isFolder: async (path) => (await statOf(path))?.isDirectory() === true,
  async list(folder) {
    try {
      return await readdir(folder);
    } catch (error) {
      throw refused(folder, error);
    }
  },
  withFile: (path, use) =>
    withPlainFile(path, async ({ size, read }) => use({ path, realPath: await realpath(path), size, read })),
  readRangeSync: readPlainRangeSync,
};

/** What there is; nothing also where the way to it cannot be gone. */
function found(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

export const disk: Disk = {
  exists: existsSync,
  isFolder: (path) => found(path)?.isDirectory() === true,
  isLink: (path) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true,
  list(path) {
    if (found(path)?.isDirectory() !== true) return [];
    try {
      return readdirSync(path);
    } catch (error) {
      throw refused(path, error);
    }
  },
  size: (path) => found(path)?.size ?? 0,
  readText(path, limit) {
    try {
      return utf8(readPlainFileSync(path, limit), path);
    } catch (error) {
      if (isNothing((error as Error).cause)) return undefined;
      throw error;
    }
  },
};

export const compression: Compression = {
  deflate: (bytes) => deflateSync(bytes, { level: 6 }),
  inflate: (bytes, maxBytes) => inflateSync(bytes, { maxOutputLength: maxBytes }),
  gunzip: (bytes, maxBytes) => gunzipSync(bytes, { maxOutputLength: maxBytes }),
};

const SAMPLE_BYTES: Readonly<Record<string, number>> = {
  ushort: 2,
  short: 2,
  uint: 4,
  int: 4,
  float: 4,
  complex: 8,
  double: 8,
  dpcomplex: 16,
};

/**
 * Bytes that decoding takes for each pixel: 3 for the decoded ones, and more where a format cannot be decoded row by row. Measured as
 * peaks of the resident memory for 8192 x 8192 pixels, rounded up.
 */
function decodingBytes({ format, channels, depth, isProgressive, orientation = 1 }: Metadata): number {
  const samples = channels * (SAMPLE_BYTES[depth] ?? 1);
  const turned = orientation > 1 ? 3 : 0;
  const whole: Readonly<Record<string, number>> = {
    png: isProgressive ? samples : 0,
    // Coefficients of 16 bits.
    jpeg: isProgressive ? 2 * channels : 0,
    webp: 5,
    gif: 4,
    // The whole image may be one strip.
    tiff: samples,
    heif: 15,
  };
  return 3 + turned + (whole[format] ?? 15);
}

export const imageDecoder: ImageDecoder = {
  async decode(file, background, accept) {
    const sharp = await loadSharp();
    // The limit is that of `accept`, which knows the format.
    const open = () => sharp(file, { limitInputPixels: false, failOn: 'error', sequentialRead: true });
    const found = await open().metadata();
    const { width, height, pages = 1 } = found;
    if (pages > 1) {
      const parts = found.format === 'tiff' ? 'pages' : 'frames';
      throw new UserError(`${pages} ${parts}; save one of them as a PNG`);
    }
    accept(width, height, decodingBytes(found));
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
