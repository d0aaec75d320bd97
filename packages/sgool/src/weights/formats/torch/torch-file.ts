/**
 * @file Files that `torch.save` and `torch.jit.save` wrote (.pt, .pth, .bin, .ckpt), as tensors by name that stay in
 * their file.
 *
 * Reference: PyTorch, torch/serialization.py (_save, _legacy_save), caffe2/serialize/inline_container.h
 */
import { files } from '#platform';
import { UserError } from '../../../errors.ts';
import type { FileBytes } from '../../../platform/platform.ts';
import { DTYPE_BYTES, isDtype } from '../dtypes.ts';
import { stridedView } from '../tensor-views.ts';
import type { TensorFile, WeightTensor } from '../weight-source.ts';
import { TorchResolver } from './globals.ts';
import { MAX_PICKLE_BYTES, quoted, unpickle } from './pickle.ts';
import type { PickledTensor, PickleValue, Storage } from './pickle-values.ts';
import { namedTensors, plainValues } from './state-dict.ts';
import { isZip, readZip } from './zip.ts';

/** What a legacy file begins with: a pickle of this number. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;

/** Where the elements of a storage lie. */
interface Place {
  readonly byteOffset: number;
  readonly byteLength: number;
}

type Locate = (storage: Storage) => Place;

function fail(file: FileBytes, what: string): never {
  throw new UserError(`${file.path}: not a valid torch file: ${what}`);
}

/** Whether the first nine bytes of a file are those of an archive or a pickle, and not of a safetensors header. */
export function looksLikeTorch(first: Uint8Array): boolean {
  return isZip(first) || (first[0] === 0x80 && first[8] !== '{'.charCodeAt(0));
}

async function readPickle(file: FileBytes, { byteOffset, byteLength }: Place): Promise<Uint8Array> {
  if (byteLength > MAX_PICKLE_BYTES) {
    fail(file, `a pickle of ${byteLength} bytes, the limit is ${MAX_PICKLE_BYTES}`);
  }
  return file.read(byteOffset, byteLength);
}

/** The archive that torch has written since version 1.6: `<root>/data.pkl` and one entry for each storage. */
async function readArchive(file: FileBytes): Promise<{ value: PickleValue; locate: Locate; format: string }> {
  const { entries, compressed } = await readZip(file);
  const roots = [...entries.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickle] = roots;
  if (pickle === undefined || roots.length > 1) {
    const packed = [...compressed].some((name) => name.endsWith('/data.pkl'));
    fail(
      file,
      packed
        ? 'its entries are compressed, which torch never does'
        : `a zip archive with ${roots.length || 'no'} data.pkl`,
    );
  }
  const root = pickle.name.slice(0, -'data.pkl'.length);
  const order = entries.get(`${root}byteorder`);
  if (order !== undefined && order.byteLength < 16) {
    const text = new TextDecoder().decode(await file.read(order.byteOffset, order.byteLength));
    if (text !== 'little') fail(file, `its byte order is ${quoted(text)}; only little is read`);
  }
  const script = entries.has(`${root}constants.pkl`);
  const bytes = await readPickle(file, pickle);
  const { value } = unpickle(bytes, { path: file.path, resolver: new TorchResolver(file.path, { script }) });
  const locate: Locate = ({ key }) => {
    const name = `${root}data/${key}`;
    const entry = entries.get(name);
    if (entry !== undefined) return entry;
    fail(file, compressed.has(name) ? `${quoted(name)} is compressed` : `${quoted(name)} is missing`);
  };
  return { value, locate, format: script ? 'torchscript' : 'torch' };
}

/** What older versions wrote: five pickles in a row, then each storage with its length before it. */
async function readLegacy(file: FileBytes): Promise<{ value: PickleValue; locate: Locate; format: string }> {
  const bytes = await file.read(0, Math.min(file.size, MAX_PICKLE_BYTES));
  const resolver = new TorchResolver(file.path);
  let at = 0;
  const next = () => {
    const { value, end } = unpickle(bytes, { start: at, path: file.path, resolver });
    at = end;
    return value;
  };
  if (next() !== MAGIC) fail(file, 'a pickle that torch.save did not write');
  if (next() !== LEGACY_PROTOCOL) fail(file, 'an unknown legacy format');
  const system = next();
  if (!(system instanceof Map) || system.get('little_endian') !== true) fail(file, 'it is not little-endian');
  const value = next();
  const keys = next();
  if (!Array.isArray(keys)) fail(file, 'it has no list of storages');

  const places = new Map<string, Place>();
  for (const key of keys) {
    const storage = typeof key === 'string' ? resolver.storages.get(key) : undefined;
    if (storage === undefined || places.has(storage.key)) fail(file, 'its list of storages does not fit');
    const { dtype } = storage;
    if (!isDtype(dtype)) fail(file, 'a storage without a type');
    const length = new DataView((await file.read(at, 8)).buffer).getBigInt64(0, true);
    if (length !== BigInt(storage.length)) {
      fail(file, `storage ${quoted(storage.key)} has ${length} elements, its tensors need ${storage.length}`);
    }
    const byteLength = storage.length * DTYPE_BYTES[dtype];
    places.set(storage.key, { byteOffset: at + 8, byteLength });
    at += 8 + byteLength;
    if (at > file.size) fail(file, `storage ${quoted(storage.key)} goes beyond the end; is it truncated?`);
  }
  const locate: Locate = ({ key }) => places.get(key) ?? fail(file, `storage ${quoted(key)} is missing`);
  return { value, locate, format: 'torch-legacy' };
}

/** Checks a tensor against its storage and the storage against the file. */
function placed(file: FileBytes, name: string, tensor: PickledTensor, locate: Locate): WeightTensor {
  const { storage, dtype, offset, shape, strides } = tensor;
  const who = `tensor ${quoted(name)}`;
  if (!isDtype(dtype)) fail(file, `${who} has type ${quoted(String(dtype))}`);
  const size = DTYPE_BYTES[dtype];
  const { byteOffset, byteLength } = locate(storage);
  // In BigInt, so that no product of sizes wraps round to one that happens to fit.
  const unit = BigInt(storage.dtype === undefined ? 1 : size);
  const wanted = BigInt(storage.offset + storage.length) * unit;
  if (wanted > BigInt(byteLength)) {
    fail(file, `the storage of ${who} has ${byteLength} bytes, ${wanted} are needed`);
  }
  const empty = shape.includes(0);
  const last = shape.reduce(
    (sum, length, axis) => sum + BigInt(length - 1) * BigInt(strides[axis]),
    BigInt(offset),
  );
  const available = (BigInt(storage.length) * unit) / BigInt(size);
  if (!empty && last >= available) {
    fail(
      file,
      `${who}, [${shape}] from element ${offset}, goes beyond the ${available} elements of its storage`,
    );
  }
  const elements = shape.reduce((product, length) => product * BigInt(length), 1n);
  if (elements > BigInt(Number.MAX_SAFE_INTEGER)) fail(file, `${who} has ${elements} elements`);
  const stretch = { dtype, shape: [Number(available)], path: file.realPath, byteOffset, byteLength };
  const start = storage.offset * Number(unit);
  return stridedView(
    { ...stretch, byteOffset: byteOffset + start },
    { offset: empty ? 0 : offset, shape, strides },
  );
}

/** Reads a torch file from bytes that are open. See `openTorchFile`. */
export async function readTorchFile(file: FileBytes): Promise<TensorFile> {
  const first = await file.read(0, Math.min(16, file.size));
  if (!isZip(first) && first[0] !== 0x80) fail(file, 'it begins neither as an archive nor as a pickle');
  const { value, locate, format } = isZip(first) ? await readArchive(file) : await readLegacy(file);
  const tensors = new Map<string, WeightTensor>();
  for (const [name, tensor] of namedTensors(value, file.path)) {
    tensors.set(name, placed(file, name, tensor, locate));
  }
  return { path: file.realPath, tensors, metadata: { ...plainValues(value), format } };
}

/**
 * Opens what `torch.save` or `torch.jit.save` wrote: a state dict, a checkpoint with one in it, or the parameters of a
 * TorchScript module. No code in the file is run; every name in it but those that tensors and plain containers need
 * is refused. Tensors whose elements lie in order stay in the file.
 *
 * @throws UserError with one line when the file is missing, truncated, broken or hostile
 */
export function openTorchFile(path: string): Promise<TensorFile> {
  return files.withFile(path, readTorchFile);
}
