/** @file Random weights in a safetensors file, written as they are drawn: no whole tensor is in memory. */
import { open } from 'node:fs/promises';
import { type Shape, sizeOf } from '@sgool/autodiff';
import { encodeFloat16 } from 'sgool/networks';
import type { Names, NetworkFile, Precision } from './network-file.ts';
import { nameInFile } from './stable-diffusion.ts';

interface Entry {
  readonly name: string;
  readonly dtype: 'F32' | 'F16' | 'BF16' | 'I64';
  readonly shape: Shape;
}

const BYTES = { F32: 4, F16: 2, BF16: 2, I64: 8 } as const;
const DTYPES = { fp32: 'F32', fp16: 'F16', bf16: 'BF16' } as const;
/** Elements written at a time. */
const CHUNK = 2 ** 20;
/** Numbers drawn for a file. Every chunk begins elsewhere among them: to draw 12 milliard would take half an hour. */
const POOL = 2 * CHUNK;

export interface FileOptions {
  readonly precision: Precision;
  readonly names: Names;
}

/** Header, tensors and size of a network's file. */
export function fileLayout(network: NetworkFile, { precision, names }: FileOptions) {
  const dtype = DTYPES[precision];
  const entries: Entry[] = [...network.shapes].map(([name, shape]) => ({
    name: nameInFile(network.name, name, names),
    dtype,
    shape,
  }));
  for (const [name, length] of network.positionIds ?? [])
    entries.push({ name, dtype: 'I64', shape: [1, length] });
  const header = safetensorsHeader(entries, names);
  const bytes = entries.reduce((sum, entry) => sum + sizeOf(entry.shape) * BYTES[entry.dtype], header.length);
  return { header, entries, bytes };
}

/**
 * Writes one network's weights.
 *
 * @returns bytes of the file
 */
export async function writeRandomWeights(
  path: string,
  network: NetworkFile,
  { seed, ...options }: FileOptions & { seed: number },
): Promise<number> {
  const { header, entries } = fileLayout(network, options);
  const draw = chunks(seed);
  const file = await open(path, 'w');
  let bytes = header.length;
  try {
    await file.write(header);
    for (const entry of entries) for (const chunk of values(entry, draw)) bytes += await writeAll(chunk);
  } finally {
    await file.close();
  }
  return bytes;

  async function writeAll(chunk: Float32Array | Uint16Array | BigInt64Array): Promise<number> {
    await file.write(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    return chunk.byteLength;
  }
}

/**
 * Sorts the entries into the order of the file and returns its header. Files with old names were written before safetensors padded
 * its header and sorted tensors by width, so their numbers begin at any address.
 */
function safetensorsHeader(entries: Entry[], names: Names): Buffer {
  const width = (entry: Entry) => (names === 'new' ? BYTES[entry.dtype] : 0);
  entries.sort((a, b) => width(b) - width(a) || (a.name < b.name ? -1 : 1));
  const content: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const { name, dtype, shape } of entries) {
    const end = offset + sizeOf(shape) * BYTES[dtype];
    content[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(content));
  const length = names === 'new' ? Math.ceil(json.length / 8) * 8 : json.length;
  const header = Buffer.alloc(8 + length, ' ');
  header.writeBigUInt64LE(BigInt(length));
  json.copy(header, 8);
  return header;
}

function* values({ name, dtype, shape }: Entry, draw: (length: number) => Float32Array) {
  const size = sizeOf(shape);
  if (dtype === 'I64') {
    yield BigInt64Array.from({ length: size }, (_, i) => BigInt(i));
    return;
  }
  const { centre, reach } = distribution(name, shape);
  for (let start = 0; start < size; start += CHUNK) {
    const chunk = draw(Math.min(CHUNK, size - start));
    for (let i = 0; i < chunk.length; i++) chunk[i] = centre + reach * chunk[i];
    yield dtype === 'F32' ? chunk : dtype === 'F16' ? encodeFloat16(chunk) : upperHalves(chunk);
  }
}

/** bfloat16, rounded towards zero. */
function upperHalves(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(bits.length);
  // A loop: `from` with a function takes a hundred times as long.
  for (let i = 0; i < bits.length; i++) halves[i] = bits[i] >>> 16;
  return halves;
}

/**
 * The range of a weight's uniform numbers, `centre` plus or minus `reach`. Products keep the size of their inputs (variance
 * 1 / inputs), so that activations stay finite through all layers; norms start as before training.
 */
function distribution(name: string, shape: Shape): { centre: number; reach: number } {
  if (name === 'pos_embed.pos_embed') return { centre: 0, reach: 1 };
  if (name === 'logit_scale') return { centre: 4.6052, reach: 0 };
  if (name.endsWith('bias')) return { centre: 0, reach: 0.02 };
  if (shape.length === 1) return { centre: name.endsWith('weight') ? 1 : 0, reach: 0.02 };
  if (/embeddings\.(token|position)_embedding/.test(name)) return { centre: 0, reach: 0.035 };
  return { centre: 0, reach: Math.sqrt(3 / sizeOf(shape.slice(1))) };
}

/**
 * Uniform numbers in [-1, 1), up to `CHUNK` at once. The place in the pool is drawn, too.
 *
 * Reference: Marsaglia 2003, "Xorshift RNGs" (32 bits, 13, 17, 5).
 */
function chunks(seed: number): (length: number) => Float32Array {
  const state = Int32Array.of((seed + 1) * 0x9e3779b1 || 1);
  const next = () => {
    state[0] ^= state[0] << 13;
    state[0] ^= state[0] >>> 17;
    state[0] ^= state[0] << 5;
    return state[0];
  };
  const pool = new Float32Array(POOL);
  for (let i = 0; i < POOL; i++) pool[i] = next() / 2 ** 31;
  return (length) => {
    const start = (next() >>> 0) % (POOL - length);
    return pool.slice(start, start + length);
  };
}
