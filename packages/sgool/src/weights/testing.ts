/** @file For tests: the stored files of fixtures/make/formats.py, archives made by hand, and what errors say. */
import { readFile, writeFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { UserError } from '../errors.ts';
import type { FileBytes } from '../platform/platform.ts';
import { encodeFloat16 } from './formats/float16.ts';

export const FORMATS = new URL('../../../../fixtures/data/formats/', import.meta.url).pathname;
/** The same model as a folder. */
export const PIPELINE = new URL('../../../../fixtures/data/pipeline/', import.meta.url).pathname;

/** Bytes that stand for a file. Refuses to give more than it has, and remembers the largest stretch asked for. */
export function bytesAsFile(bytes: Uint8Array, path = 'model.ckpt'): FileBytes {
  return {
    path,
    realPath: path,
    size: bytes.length,
    async read(offset, length) {
      if (offset + length > bytes.length)
        throw new UserError(`${path}: the file ends at byte ${bytes.length}, it is truncated`);
      return new Uint8Array(bytes.subarray(offset, offset + length));
    },
  };
}

/** The message of the one UserError that a call must end in: a single line that names the file. */
export async function messageOf(attempt: Promise<unknown> | (() => unknown)): Promise<string> {
  let error: unknown;
  try {
    await (typeof attempt === 'function' ? attempt() : attempt);
  } catch (reason) {
    error = reason;
  }
  if (!(error instanceof UserError))
    expect.fail(`expected a UserError, got ${(error as Error)?.stack ?? error}`);
  expect(error.message).not.toMatch(/[\n\r]/);
  expect(error.message.length).toBeLessThan(600);
  return error.message;
}

export interface ZipPart {
  readonly name: string;
  readonly data: Uint8Array;
  /** What the headers say, where it is not the truth. */
  readonly size?: number;
  readonly packed?: number;
  readonly method?: number;
  readonly flags?: number;
  /** Where the central directory says that the entry begins. */
  readonly offset?: number;
}

/** A zip archive of stored entries, with headers that may lie. */
export function zipOf(parts: readonly ZipPart[], { zip64 = false, comment = '' } = {}): Uint8Array {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const {
    name,
    data,
    size = data.length,
    packed = data.length,
    method = 0,
    flags = 0,
    offset = at,
  } of parts) {
    const label = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(label.length, 26);
    files.push(local, label, Buffer.from(data));
    at += 30 + label.length + data.length;

    const extra = Buffer.alloc(zip64 ? 28 : 0);
    if (zip64) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      [size, packed, offset].forEach((value, i) => {
        extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
      });
    }
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(flags, 8);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(zip64 ? 0xffffffff : packed, 20);
    entry.writeUInt32LE(zip64 ? 0xffffffff : size, 24);
    entry.writeUInt16LE(label.length, 28);
    entry.writeUInt16LE(extra.length, 30);
    entry.writeUInt32LE(zip64 ? 0xffffffff : offset, 42);
    directory.push(entry, label, extra);
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(zip64 ? 0xffff : parts.length, 10);
  end.writeUInt32LE(zip64 ? 0xffffffff : central.length, 12);
  end.writeUInt32LE(zip64 ? 0xffffffff : at, 16);
  end.writeUInt16LE(comment.length, 20);
  const wide = Buffer.alloc(zip64 ? 76 : 0);
  if (zip64) {
    wide.writeUInt32LE(0x06064b50, 0);
    wide.writeBigUInt64LE(BigInt(parts.length), 32);
    wide.writeBigUInt64LE(BigInt(central.length), 40);
    wide.writeBigUInt64LE(BigInt(at), 48);
    wide.writeUInt32LE(0x07064b50, 56);
    wide.writeBigUInt64LE(BigInt(at + central.length), 64);
  }
  return new Uint8Array(Buffer.concat([...files, central, wide, end, Buffer.from(comment)]));
}

/** A torch archive around a pickle. */
export function torchArchive(
  pickle: Uint8Array | string,
  storages: Record<string, Uint8Array> = {},
): Uint8Array {
  const data = typeof pickle === 'string' ? Buffer.from(pickle, 'latin1') : pickle;
  return zipOf([
    { name: 'archive/data.pkl', data },
    ...Object.entries(storages).map(([key, bytes]) => ({ name: `archive/data/${key}`, data: bytes })),
  ]);
}

/** The opcodes of a state dict with one float32 tensor `w`; its parts can be replaced. */
export function tensorPickle({
  shape = 'K\x02K\x03\x86',
  strides = 'K\x03K\x01\x86',
  offset = 'K\x00',
  storage = 'ctorch\nFloatStorage\n',
  length = 'K\x06',
} = {}): string {
  const id = `(X\x07\x00\x00\x00storage${storage}X\x01\x00\x00\x000X\x03\x00\x00\x00cpu${length}tQ`;
  return `\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n(${id}${offset}${shape}${strides}\x89NtRs.`;
}

/**
 * Puts one number into a tensor of a safetensors file.
 *
 * @param value its float16 or float32 bits are written, as the tensor's dtype says
 * @returns puts back what was there
 */
export async function plant(path: string, tensor: string, value: number): Promise<() => Promise<void>> {
  const whole = await readFile(path);
  const length = Number(whole.readBigUInt64LE(0));
  const header = JSON.parse(whole.toString('utf8', 8, 8 + length));
  const { dtype, data_offsets } = header[tensor] ?? expect.fail(`${path} has no tensor ${tensor}`);
  const changed = Buffer.from(whole);
  const at = 8 + length + data_offsets[0];
  if (dtype === 'F32') changed.writeFloatLE(value, at);
  else changed.writeUInt16LE(encodeFloat16(Float32Array.of(value))[0], at);
  await writeFile(path, changed);
  return () => writeFile(path, whole);
}
