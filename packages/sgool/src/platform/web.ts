/**
 * @file The platform in a browser; see `platform.ts`. Places are URLs. Files are read with `fetch`, parts of them with
 * Range requests; servers that ignore `Range` work too, with the whole file kept in memory.
 */
import { Gunzip, Unzlib, zlibSync } from 'fflate';
import { UserError } from '../errors.ts';
import { concatBytes } from './bytes.ts';
import { readBody } from './http.ts';
import type {
  Compression,
  Disk,
  Files,
  Host,
  ImageDecoder,
  MovingPictures,
  Places,
  Processes,
} from './platform.ts';
import { overLimit, type SizeLimit } from './size-limits.ts';

// What is used of the browser's own types. TypeScript's DOM library would declare all of them in Node's files too.
declare const location: { readonly href: string } | undefined;
declare function createImageBitmap(file: Blob): Promise<{ width: number; height: number; close(): void }>;
declare class OffscreenCanvas {
  constructor(width: number, height: number);
  getContext(
    kind: '2d',
    options: { colorSpace: 'srgb' },
  ): {
    fillStyle: string;
    fillRect(x: number, y: number, width: number, height: number): void;
    drawImage(image: object, x: number, y: number): void;
    getImageData(x: number, y: number, width: number, height: number): { readonly data: Uint8ClampedArray };
  } | null;
}
declare class XMLHttpRequest {
  responseType: 'arraybuffer';
  readonly response: unknown;
  readonly status: number;
  open(method: 'GET', url: URL, isAsync: boolean): void;
  setRequestHeader(name: string, value: string): void;
  send(): void;
}

/** The URL that relative ones start from: that of the page or worker. */
const base = () => (typeof location === 'undefined' ? 'http://localhost/' : location.href);

const withoutSlash = (url: string) => url.replace(/\/+$/, '');

export const places: Places = {
  join: (first, ...parts) =>
    parts.length === 0
      ? first
      : [withoutSlash(first), ...parts.map((part) => part.replace(/^\/+|\/+$/g, ''))].join('/'),
  dirname: (url) => withoutSlash(url).replace(/\/[^/]*$/, ''),
  basename: (url) =>
    decodeURIComponent(/[^/]*$/.exec(withoutSlash(new URL(url, base()).pathname))?.[0] ?? ''),
  resolve: (url) => withoutSlash(new URL(url, base()).href),
};

const missing = (url: string) => new UserError(`cannot read ${url}: the file does not exist`);

function truncated(url: string, end: number): UserError {
  return new UserError(`${url}: the file ends at byte ${end}, it is truncated`);
}

/** @throws UserError when there is no such file or the server does not give it */
async function request(url: string, init?: RequestInit): Promise<Response> {
  const response = await fetch(new URL(url, base()), init).catch((cause: Error) => {
    throw new UserError(`cannot read ${url}: ${cause.message}`, { cause });
  });
  if (response.status === 404) throw missing(url);
  // 416: the range is empty, because the file is.
  if (!response.ok && response.status !== 416)
    throw new UserError(`cannot read ${url}: the server answered ${response.status}`);
  return response;
}

const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());

/** A whole file, up to a limit. */
async function whole(url: string, limit: SizeLimit): Promise<Uint8Array<ArrayBuffer>> {
  const response = await request(url);
  const parts: Uint8Array[] = [];
  let length = 0;
  // Counted while it arrives: what the server says of the length need not be true.
  for await (const part of readBody(response)) {
    length += part.length;
    if (length > limit.bytes) throw new UserError(`cannot read ${url}: ${overLimit(limit)}`);
    parts.push(part);
  }
  return concatBytes(parts);
}

/** A range of bytes as HTTP writes it; both ends are included. */
const rangeHeader = (offset: number, length: number) => `bytes=${offset}-${offset + length - 1}`;

/** Whether the server has the file. Some answer with a page of their own where they have none. */
async function hasFile(url: string): Promise<boolean> {
  const response = await fetch(new URL(url, base()), { method: 'HEAD' }).catch(() => undefined);
  return response?.ok === true;
}

/** Endings of files; any other place is a folder. */
const FILE = /\.(safetensors|ckpt|pth?|bin|onnx|json|txt|gz|png|jpe?g|webp)$/i;

export const files: Files = {
  readText: async (url, limit) =>
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(await whole(url, limit)),
  readBytes: whole,
  exists: hasFile,
  isFile: async (url) => FILE.test(new URL(url, base()).pathname) && (await hasFile(url)),
  isFolder: async (url) => !FILE.test(new URL(url, base()).pathname),
  list: async () => undefined,

  async withFile(url, use) {
    const place = places.resolve(url);
    const first = await request(place, { headers: { range: rangeHeader(0, 1) } });
    const [, total] = /\/(\d+)$/.exec(first.headers.get('content-range') ?? '') ?? [];
    const start = await bytesOf(first);
    // A server that ignores the range sends the whole file.
    const whole = first.status === 200 ? start : undefined;
    const size = whole?.length ?? Number(total);
    if (!Number.isSafeInteger(size)) {
      throw new UserError(
        `cannot read ${url}: the server does not send its size (Content-Range); allow that header`,
      );
    }
    return use({
      path: url,
      realPath: place,
      size,
      async read(offset, length) {
        // Checked before anything is fetched: lengths come from headers that cannot be trusted.
        if (offset + length > size) throw truncated(url, size);
        if (whole !== undefined) return whole.slice(offset, offset + length);
        if (length === 0) return new Uint8Array(0);
        const bytes = await bytesOf(
          await request(place, { headers: { range: rangeHeader(offset, length) } }),
        );
        if (bytes.length !== length) throw truncated(url, offset + bytes.length);
        return bytes;
      },
    });
  },

  readRangeSync(url, offset, length) {
    if (length === 0) return new Uint8Array(0);
    const xhr = new XMLHttpRequest();
    xhr.open('GET', new URL(url, base()), false);
    try {
      xhr.responseType = 'arraybuffer';
    } catch (cause) {
      throw new UserError(`cannot read ${url} here: load models in a Web Worker`, { cause });
    }
    xhr.setRequestHeader('range', rangeHeader(offset, length));
    xhr.send();
    if (xhr.status === 404) throw missing(url);
    if (xhr.status !== 200 && xhr.status !== 206) {
      throw new UserError(`cannot read ${url}: the server answered ${xhr.status}`);
    }
    const bytes = new Uint8Array(xhr.response as ArrayBuffer);
    const range = xhr.status === 206 ? bytes : bytes.slice(offset, offset + length);
    if (range.length !== length) throw truncated(url, offset + range.length);
    return range;
  },
};

export const disk: Disk = {
  exists: () => false,
  isFolder: () => false,
  isLink: () => false,
  list: () => [],
  size: () => 0,
  readText: () => undefined,
};

/** Unpacks as a stream, so that what unpacks to more than `maxBytes` is refused before it fills the memory. */
function unpack(stream: Gunzip | Unzlib, bytes: Uint8Array, maxBytes: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  stream.ondata = (part) => {
    length += part.length;
    if (length > maxBytes) throw new RangeError(`it unpacks to more than ${maxBytes} bytes`);
    parts.push(part);
  };
  const step = 65536;
  for (let at = 0; at < bytes.length; at += step) {
    stream.push(bytes.subarray(at, at + step), at + step >= bytes.length);
  }
  return concatBytes(parts);
}

/** The checksum at the end of zlib data. Reference: RFC 1950, section 9 */
function adler32(bytes: Uint8Array): number {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}

/** The last four bytes as a number. fflate's streams do not compare it with what was unpacked. */
function trailer(bytes: Uint8Array, littleEndian: boolean): number {
  if (bytes.length < 6) throw new Error('it is truncated');
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 4, littleEndian);
}

export const compression: Compression = {
  deflate: (bytes) => zlibSync(bytes, { level: 6 }),
  inflate(bytes, maxBytes) {
    const checksum = trailer(bytes, false);
    const unpacked = unpack(new Unzlib(), bytes, maxBytes);
    if (adler32(unpacked) !== checksum) throw new Error('it is truncated or broken');
    return unpacked;
  },
  gunzip(bytes, maxBytes) {
    const length = trailer(bytes, true);
    const unpacked = unpack(new Gunzip(), bytes, maxBytes);
    if (unpacked.length !== length) throw new Error('it is truncated or broken');
    return unpacked;
  },
};

export const imageDecoder: ImageDecoder = {
  async decode(file, background, accept) {
    const bitmap = await createImageBitmap(new Blob([new Uint8Array(file)]));
    try {
      const { width, height } = bitmap;
      accept(width, height);
      const context = new OffscreenCanvas(width, height).getContext('2d', { colorSpace: 'srgb' });
      if (context === null) throw new Error('the browser gives no canvas of this size');
      context.fillStyle = background;
      context.fillRect(0, 0, width, height);
      context.drawImage(bitmap, 0, 0);
      const rgba = context.getImageData(0, 0, width, height).data;
      const data = new Uint8Array(3 * width * height);
      for (let i = 0; i < width * height; i++) data.set(rgba.subarray(4 * i, 4 * i + 3), 3 * i);
      return { width, height, data };
    } finally {
      bitmap.close();
    }
  },
};

export const movingPictures: MovingPictures = {
  async writer(format) {
    throw new UserError(`${format}: is not written in a browser; take apng`);
  },
  async decode() {
    throw new UserError('an animation, of which a browser reads animated PNG alone; save it as one');
  },
};

export const processes: Processes = {
  async run(_program, { who }) {
    throw new UserError(`${who}: a browser runs no programs; give a server instead, as http://<address>`);
  },
};

export const host: Host = {
  kind: 'browser',
  system: 'browser',
  environment: {},
  homeFolder: () => '/',
  packageFolder(name) {
    try {
      // Works where the page has an import map with an entry for `<name>/`.
      return places.dirname(import.meta.resolve(`${name}/package.json`));
    } catch {
      return undefined;
    }
  },
  locate: (text) => (/^([a-z][a-z\d+.-]*:|\.{0,2}\/)/i.test(text) ? places.resolve(text) : undefined),
  cpuSeconds: () => undefined,
};
