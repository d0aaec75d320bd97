/** @file What a door of the fuzzing is, and the files that its seeds are made of. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const FIXTURES = join(import.meta.dirname, '../../../../fixtures/data');

/** A file that is right, and how it is damaged. */
export interface Seed {
  /** The name that the damaged file gets; a path inside of the folder that a door reads. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Other files that must be beside it. */
  readonly beside?: Readonly<Record<string, Uint8Array>>;
}

/** A reader of what users bring. */
export interface Door {
  /** What the seeds are damaged as. */
  readonly kind: 'bytes' | 'json' | 'text' | 'mixed';
  seeds(): Promise<Seed[]>;
  /** Reads the damaged file, whose path is given, to the end. */
  open(path: string, seed: Seed, bytes: Uint8Array): Promise<unknown> | unknown;
  /** Messages of errors that are no `UserError` but right all the same: those of a package that has no such class. */
  readonly says?: RegExp;
}

export const fixture = async (path: string): Promise<Seed> => ({
  name: path.replace(/^.*\//, ''),
  bytes: new Uint8Array(await readFile(join(FIXTURES, path))),
});
export const fixtures = (...paths: string[]) => Promise.all(paths.map(fixture));
export const textSeed = (name: string, text: string): Seed => ({
  name,
  bytes: new Uint8Array(Buffer.from(text)),
});
export const jsonSeed = (name: string, value: unknown): Seed => textSeed(name, JSON.stringify(value));
export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

/** A safetensors file of a header, which need not fit. */
export function safetensorsFile(header: unknown, data: Uint8Array = new Uint8Array()): Uint8Array {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return new Uint8Array(Buffer.concat([length, json, data]));
}
