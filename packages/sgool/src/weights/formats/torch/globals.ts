/**
 * @file The names that a torch file may use, and their meaning here. Every other name is refused.
 *
 * Reference: PyTorch, torch/_utils.py (_rebuild_*), torch/serialization.py (persistent_id), torch/_weights_only_unpickler.py
 */
import { UserError } from '../../../errors.ts';
import type { Dtype } from '../dtypes.ts';
import { type PickleResolver, quoted } from './pickle.ts';
import { Global, PickledObject, PickledTensor, type PickleValue, Storage } from './pickle-values.ts';

const STORAGES: Readonly<Record<string, Dtype | undefined>> = {
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.DoubleStorage': 'F64',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
  // Raw bytes: how newer torch stores types without a storage class; the type is given with each tensor.
  'torch.storage.UntypedStorage': undefined,
};

const DTYPES: Readonly<Record<string, Dtype>> = {
  'torch.float32': 'F32',
  'torch.float16': 'F16',
  'torch.bfloat16': 'BF16',
  'torch.float64': 'F64',
  'torch.int64': 'I64',
  'torch.int32': 'I32',
  'torch.int16': 'I16',
  'torch.int8': 'I8',
  'torch.uint64': 'U64',
  'torch.uint32': 'U32',
  'torch.uint16': 'U16',
  'torch.uint8': 'U8',
  'torch.bool': 'BOOL',
  'torch.float8_e4m3fn': 'F8_E4M3',
  'torch.float8_e5m2': 'F8_E5M2',
};

/** Named but never called. Lightning's class is a key of a dictionary in Stable Diffusion 1.4's own checkpoint. */
const INERT = new Set([
  'torch.Tensor',
  'torch.nn.parameter.Parameter',
  'numpy.ndarray',
  'pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint',
  'lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint',
]);

type Call = (args: PickleValue[], charge: (items: number) => void) => PickleValue;

const isCount = (value: PickleValue): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;
const isCounts = (value: PickleValue): value is number[] => Array.isArray(value) && value.every(isCount);

function describe(value: PickleValue): string {
  if (Array.isArray(value)) return quoted(`[${value.slice(0, 20).map((item) => String(item))}]`);
  return value instanceof Object ? value.constructor.name : quoted(String(value));
}

/** The meaning of names in one file. Keeps the storages that the pickle mentions, which a legacy file stores by key. */
export class TorchResolver implements PickleResolver {
  readonly storages = new Map<string, Storage>();
  private readonly path: string;
  private readonly script: boolean;
  private readonly calls: ReadonlyMap<string, Call>;
  private readonly globals = new Map<string, Global>();

  /** @param script whether this is a TorchScript archive, whose modules have classes of their own */
  constructor(path: string, { script = false }: { script?: boolean } = {}) {
    this.path = path;
    this.script = script;
    this.calls = this.knownCalls();
  }

  private fail(what: string): never {
    throw new UserError(`${this.path}: not a valid torch file: ${what}`);
  }

  private refuse(name: string): never {
    throw new UserError(
      `${this.path}: it uses the Python name ${quoted(name)}, which is refused because it could run any code; only tensors and plain values are read`,
    );
  }

  global(name: string): Global {
    const known =
      this.calls.has(name) ||
      Object.hasOwn(STORAGES, name) ||
      Object.hasOwn(DTYPES, name) ||
      INERT.has(name) ||
      (this.script && name.startsWith('__torch__.'));
    if (!known) this.refuse(name);
    // The same object each time, so that a class that is a dictionary's key stays one key.
    let found = this.globals.get(name);
    if (!found) this.globals.set(name, (found = new Global(name)));
    return found;
  }

  call({ name }: Global, args: PickleValue[], charge: (items: number) => void): PickleValue {
    if (this.script && name.startsWith('__torch__.')) return new PickledObject(name);
    const call = this.calls.get(name);
    if (!call) this.refuse(name);
    return call(args, charge);
  }

  build(target: PickleValue, state: PickleValue, charge: (items: number) => void): void {
    if (target instanceof PickledObject) target.state = state;
    else if (target instanceof Map && state instanceof Map) {
      // Attributes of an OrderedDict, such as the `_metadata` of a state dict, are not needed.
      charge(1);
    } else if (!(target instanceof PickledTensor)) this.fail('a state is set on what has none');
  }

  persistent(id: PickleValue): Storage {
    const [kind, type, key, , length, view] = Array.isArray(id) ? id : [];
    if (kind !== 'storage' || !(type instanceof Global) || !Object.hasOwn(STORAGES, type.name)) {
      this.fail(`a reference that is not a storage, got ${describe(id)}`);
    }
    const name = typeof key === 'number' ? String(key) : key;
    if (typeof name !== 'string' || !isCount(length)) this.fail('a storage without a name or length');
    const dtype = STORAGES[type.name];
    const known = this.storages.get(name);
    if (known && known.dtype !== dtype) this.fail(`storage ${quoted(name)} has two types`);
    if (!known || known.length < length) this.storages.set(name, new Storage(dtype, name, length));
    if (view === undefined || view === null) return new Storage(dtype, name, length);
    const [, offset, size] = Array.isArray(view) ? view : [];
    if (!isCount(offset) || !isCount(size)) this.fail(`an invalid view, got ${describe(view)}`);
    if (offset + size > length)
      this.fail(`a view of storage ${quoted(name)} goes beyond its ${length} elements`);
    return new Storage(dtype, name, size, offset);
  }

  private tensor([storage, offset, shape, strides]: PickleValue[], type?: PickleValue): PickledTensor {
    if (!(storage instanceof Storage)) this.fail('a tensor without a storage');
    if (!isCounts(shape)) this.fail(`a tensor of shape ${describe(shape)}; sizes are whole numbers from 0`);
    if (!isCounts(strides) || strides.length !== shape.length || !isCount(offset)) {
      this.fail(
        `a tensor of shape ${describe(shape)} with strides ${describe(strides)} from ${describe(offset)}`,
      );
    }
    if (shape.length > 16) this.fail(`a tensor with ${shape.length} dimensions`);
    const dtype = type instanceof Global ? DTYPES[type.name] : storage.dtype;
    if (dtype === undefined) this.fail('a tensor without a type');
    return new PickledTensor(storage, dtype, offset, shape, strides);
  }

  private knownCalls(): Map<string, Call> {
    const first: Call = ([value = null]) => value;
    const list: Call = ([value = []]) => (Array.isArray(value) ? value : this.fail('a list of no items'));
    const map: Call = ([items = []], charge) => {
      if (items instanceof Map) items = [...items];
      if (!Array.isArray(items)) this.fail('a dictionary of no items');
      charge(12 + 2 * items.length);
      return new Map(
        items.map((item) =>
          Array.isArray(item) && item.length === 2 ? [item[0], item[1]] : this.fail('an item of no pair'),
        ),
      );
    };
    const set: Call = ([items = []], charge) => {
      if (!Array.isArray(items)) this.fail('a set of no items');
      charge(12 + items.length);
      return new Set(items);
    };
    const inert = (name: string): Call => {
      return () => new PickledObject(name);
    };
    const scalar: Call = ([type, bytes]) => this.numpyScalar(type, bytes);
    return new Map<string, Call>([
      ['torch._utils._rebuild_tensor', (args) => this.tensor(args)],
      ['torch._utils._rebuild_tensor_v2', (args) => this.tensor(args)],
      ['torch._utils._rebuild_tensor_v3', (args) => this.tensor(args, args[6])],
      ['torch._utils._rebuild_parameter', first],
      ['torch._utils._rebuild_parameter_with_state', first],
      [
        'torch._tensor._rebuild_from_type_v2',
        ([rebuild, , args], charge) => {
          if (
            !(rebuild instanceof Global) ||
            !Array.isArray(args) ||
            !rebuild.name.startsWith('torch._utils.')
          )
            this.fail('a tensor that is rebuilt by no function');
          return this.call(rebuild, args, charge);
        },
      ],
      // A1111's first textual inversions keep their vectors in one; its state holds the parameters.
      ['torch.nn.modules.container.ParameterDict', inert('torch.nn.modules.container.ParameterDict')],
      ['torch.Size', list],
      ['torch.device', inert('torch.device')],
      ['torch.jit._pickle.build_intlist', list],
      ['torch.jit._pickle.build_tensorlist', list],
      ['torch.jit._pickle.build_doublelist', list],
      ['torch.jit._pickle.build_boollist', list],
      ['torch.jit._pickle.restore_type_tag', first],
      ['collections.OrderedDict', map],
      ...['builtins', '__builtin__'].flatMap((module): [string, Call][] => [
        [`${module}.set`, set],
        [`${module}.frozenset`, set],
      ]),
      ['_codecs.encode', ([text = null], charge) => this.latin1(text, charge)],
      ['numpy.dtype', (args) => new PickledObject('numpy.dtype', args)],
      ...['numpy.core.multiarray', 'numpy._core.multiarray'].flatMap((module): [string, Call][] => [
        [`${module}.scalar`, scalar],
        [`${module}._reconstruct`, inert('numpy.ndarray')],
      ]),
    ]);
  }

  /** Bytes, as protocol 2 writes them: `_codecs.encode(text, 'latin1')`. */
  private latin1(text: PickleValue, charge: (items: number) => void): Uint8Array {
    if (typeof text !== 'string') this.fail('bytes that are not text');
    charge(text.length);
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  }

  /** Numbers such as a learning rate or a best score, which training code leaves in checkpoints. */
  private numpyScalar(type: PickleValue | undefined, bytes: PickleValue | undefined): PickleValue {
    if (
      !(type instanceof PickledObject) ||
      type.className !== 'numpy.dtype' ||
      !(bytes instanceof Uint8Array)
    ) {
      this.fail('an invalid numpy number');
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    switch (type.args[0]) {
      case 'f8':
        return bytes.length === 8 ? view.getFloat64(0, true) : null;
      case 'f4':
        return bytes.length === 4 ? view.getFloat32(0, true) : null;
      case 'i8':
        return bytes.length === 8 ? Number(view.getBigInt64(0, true)) : null;
      default:
        return null; // of a type that is not read
    }
  }
}
