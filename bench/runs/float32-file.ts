/** @file Files of float32 numbers, which both sides read and write. */
import { readFile, writeFile } from 'node:fs/promises';

export async function readFloat32(path: string): Promise<Float32Array> {
  const bytes = await readFile(path);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

export function writeFloat32(path: string, values: ArrayLike<number>): Promise<void> {
  return writeFile(path, new Uint8Array(Float32Array.from(values).buffer));
}
