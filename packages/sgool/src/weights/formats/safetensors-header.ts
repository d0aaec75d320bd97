/**
 * @file The header of a safetensors file, checked in full before anything is allocated for it.
 *
 * Layout: 8 bytes little-endian header length N, N bytes of JSON, then the data; offsets count from the data's start.
 * Reference: https://github.com/huggingface/safetensors (README, "Format")
 */

import { UserError } from '../../errors.ts';
import { DTYPE_BYTES, type Dtype, isDtype } from './dtypes.ts';

/** Largest header that is read, in bytes: Stable Diffusion's UNet needs 0.1 MB. */
export const MAX_HEADER_BYTES = 25_000_000;

const MAX_DIMENSIONS = 16;

/** Where a tensor lies in its file. */
export interface TensorEntry {
  dtype: Dtype;
  shape: readonly number[];
  /** Bytes from the start of the file (not of the data section). */
  byteOffset: number;
  byteLength: number;
}

/** The checked header of a safetensors file. */
export interface SafetensorsHeader {
  metadata: Readonly<Record<string, string>>;
  /** In the order of the data in the file. */
  tensors: ReadonlyMap<string, TensorEntry>;
}

function fail(path: string, what: string): never {
  throw new UserError(`${path}: not a valid safetensors file: ${what}`);
}

/** Shortens and quotes a piece of an untrusted file for a one-line message. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/**
 * The header's length in bytes, from the first eight bytes of the file.
 *
 * @throws UserError when it cannot be true
 */
export function headerLength(first: Uint8Array, fileBytes: number, path: string): number {
  if (fileBytes < 8 || first.length < 8) fail(path, `${fileBytes} bytes are too few to hold a header`);
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES))
    fail(path, `header of ${length} bytes, the limit is ${MAX_HEADER_BYTES}`);
  if (length < 2n) fail(path, `header of ${length} bytes`);
  if (8n + length > BigInt(fileBytes)) {
    fail(
      path,
      `header of ${length} bytes goes beyond the end of the file (${fileBytes} bytes); is it truncated?`,
    );
  }
  return Number(length);
}

function parseMetadata(value: unknown, path: string): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fail(path, '__metadata__ is not an object');
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string')
      fail(path, `__metadata__ ${quote(key)} is not a string, got ${quote(text)}`);
  }
  return value as Record<string, string>;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function parseEntry(
  name: string,
  value: unknown,
  dataStart: number,
  dataBytes: number,
  path: string,
): TensorEntry {
  const tensor = `tensor ${quote(name)}`;
  if (typeof value !== 'object' || value === null)
    fail(path, `${tensor} has no description, got ${quote(value)}`);
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  if (!isDtype(dtype)) {
    fail(path, `${tensor} has dtype ${quote(dtype)}; known are ${Object.keys(DTYPE_BYTES).join(', ')}`);
  }
  if (!Array.isArray(shape) || shape.length > MAX_DIMENSIONS || !shape.every(isCount)) {
    fail(path, `${tensor} has shape ${quote(shape)}; it must be a list of whole numbers from 0`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    fail(path, `${tensor} has data_offsets ${quote(offsets)}; they must be [begin, end]`);
  }
  const [begin, end] = offsets as [number, number];
  if (end > dataBytes) {
    fail(path, `${tensor} ends at byte ${end} of ${dataBytes} bytes of data; is the file truncated?`);
  }
  // In BigInt, so that no product of dimensions wraps round to a size that happens to fit.
  const expected = shape.reduce((product, size) => product * BigInt(size), BigInt(DTYPE_BYTES[dtype]));
  if (expected !== BigInt(end - begin)) {
    fail(
      path,
      `${tensor}, ${dtype} ${quote(shape)}, needs ${expected} bytes, its data_offsets give ${end - begin}`,
    );
  }
  return { dtype, shape, byteOffset: dataStart + begin, byteLength: end - begin };
}

function checkContiguous(
  entries: [string, TensorEntry][],
  dataStart: number,
  fileBytes: number,
  path: string,
) {
  let end = dataStart;
  let before = '';
  for (const [name, entry] of entries) {
    if (entry.byteOffset < end) fail(path, `tensors ${quote(before)} and ${quote(name)} overlap`);
    if (entry.byteOffset > end)
      fail(path, `${entry.byteOffset - end} unused bytes before tensor ${quote(name)}`);
    end = entry.byteOffset + entry.byteLength;
    before = name;
  }
  if (end !== fileBytes) fail(path, `${fileBytes - end} unused bytes after the last tensor`);
}

/**
 * Refuses what `JSON.parse` accepts and the reference does not: a field of a tensor that is there twice, metadata that is
 * there twice, numbers that are written as fractions or with a sign, and halves of surrogate pairs. (Of a tensor that is there
 * twice the last one counts.)
 */
function checkText(text: string, path: string): void {
  const tokens = /"(?:[^"\\]|\\.)*"|[{}]|-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|:/g;
  /** Keys of the open objects. */
  const open: Set<string>[] = [];
  let before = '';
  let parent = '';
  for (const [token] of text.matchAll(tokens)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (token === ':') {
      // Written with or without escapes, it is the same key.
      const key = JSON.parse(before) as string;
      const keys = open.at(-1);
      if (open.length === 1) parent = key;
      const isField = open.length === 1 ? key === '__metadata__' : parent !== '__metadata__';
      if (isField && keys?.has(key)) fail(path, `the field ${quote(key)} is there twice`);
      keys?.add(key);
    } else if (/^-|^\d+[.eE]/.test(token)) fail(path, `${token} is not written as a whole number from 0`);
    else if (token.includes('\\u') && /\p{Cs}/u.test(JSON.parse(token))) {
      fail(path, `${quote(token)} holds half of a surrogate pair`);
    }
    before = token;
  }
}

/**
 * Parses and checks a header: dtypes known, shapes and offsets whole numbers, sizes right, every tensor inside the
 * file, no overlap and no hole.
 *
 * @param json the header's bytes, without the eight of its length
 * @param fileBytes size of the whole file
 * @param path names the file in messages
 * @throws UserError with one line that names file and tensor
 */
export function parseSafetensorsHeader(json: Uint8Array, fileBytes: number, path: string): SafetensorsHeader {
  let header: unknown;
  let text: string;
  try {
    // A byte order mark is kept, so that it is refused as by the reference.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json);
    header = JSON.parse(text);
  } catch {
    fail(path, 'the header is not JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    fail(path, 'the header is not an object');

  const dataStart = 8 + json.length;
  const { __metadata__: rawMetadata, ...descriptions } = header as Record<string, unknown>;
  const metadata = parseMetadata(rawMetadata, path);
  const entries = Object.entries(descriptions).map(([name, value]): [string, TensorEntry] => [
    name,
    parseEntry(name, value, dataStart, fileBytes - dataStart, path),
  ]);
  entries.sort(([, a], [, b]) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  checkContiguous(entries, dataStart, fileBytes, path);
  checkText(text, path);
  return { metadata, tensors: new Map(entries) };
}
