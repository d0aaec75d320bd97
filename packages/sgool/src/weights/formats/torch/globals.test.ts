/** What the functions do that a torch file may call, at the edges of what they take. */
import { describe, expect, it } from 'vitest';
import { messageOf } from '../../testing.ts';
import { TorchResolver } from './globals.ts';
import { PickledObject, type PickleValue } from './pickle-values.ts';

const resolver = () => new TorchResolver('model.pt');
const V2 = 'torch._utils._rebuild_tensor_v2';

/** Calls a function by its name; `charged` counts what it costs. */
function call(name: string, args: PickleValue[], of = resolver()) {
  let charged = 0;
  const value = of.call(of.global(name), args, (items) => {
    charged += items;
  });
  return { value, charged };
}

function storage(
  of: TorchResolver,
  {
    type = 'torch.FloatStorage',
    key = '0' as PickleValue,
    length = 6 as PickleValue,
    view = null as PickleValue,
  } = {},
) {
  return of.persistent(['storage', of.global(type), key, 'cpu', length, view]);
}

describe('tensors', () => {
  const made = (more: { offset?: PickleValue; shape?: PickleValue; strides?: PickleValue } = {}) => {
    const of = resolver();
    const { offset = 0, shape = [2, 3], strides = [3, 1] } = more;
    return call(V2, [storage(of), offset, shape, strides, false, new Map()], of).value;
  };

  it('have the storage, shape and strides that the file gives them', () => {
    expect(made()).toMatchObject({ dtype: 'F32', offset: 0, shape: [2, 3], strides: [3, 1] });
    const ones = Array.from({ length: 16 }, () => 1);
    expect(made({ shape: ones, strides: ones })).toMatchObject({ shape: ones });
  });

  it.each<[Parameters<typeof made>[0], RegExp]>([
    [{ shape: [2, -3] }, /sizes are whole numbers from 0/],
    [{ shape: 6 }, /sizes are whole numbers from 0/],
    [{ shape: [1.5] }, /sizes are whole numbers from 0/],
    [{ strides: [3] }, /with strides/],
    [{ strides: [3, 'a'] }, /with strides/],
    [{ offset: -1 }, /with strides .* from "?-1/],
    [
      { shape: Array.from({ length: 17 }, () => 1), strides: Array.from({ length: 17 }, () => 1) },
      /a tensor with 17 dimensions/,
    ],
  ])('must not be %j', async (more, message) => {
    expect(await messageOf(() => made(more))).toMatch(message);
  });

  it('have a storage, and a type that is known', async () => {
    expect(await messageOf(() => call(V2, [null, 0, [1], [1]]))).toMatch(/a tensor without a storage/);
    const of = resolver();
    const args = (type: PickleValue) => [storage(of), 0, [1], [1], false, null, type];
    expect(call('torch._utils._rebuild_tensor_v3', args(of.global('torch.float16')), of).value).toMatchObject(
      { dtype: 'F16' },
    );
    expect(
      await messageOf(() => call('torch._utils._rebuild_tensor_v3', args(of.global('torch.Size')), of)),
    ).toMatch(/a tensor without a type/);
  });

  it('are rebuilt from a subclass by a function of torch only', async () => {
    const of = resolver();
    const args = [storage(of), 0, [2], [1]];
    const rebuild = 'torch._tensor._rebuild_from_type_v2';
    expect(call(rebuild, [of.global(V2), null, args], of).value).toMatchObject({ shape: [2] });
    for (const wrong of [
      [null, null, args],
      [of.global(V2), null, null],
      [of.global('collections.OrderedDict'), null, []],
    ] as PickleValue[][]) {
      expect(await messageOf(() => call(rebuild, wrong, of))).toMatch(
        /a tensor that is rebuilt by no function/,
      );
    }
  });
});

describe('storages', () => {
  it('are known by their key, with the largest length; a view is a part', () => {
    const of = resolver();
    expect(storage(of)).toMatchObject({ dtype: 'F32', length: 6 });
    storage(of, { length: 9 });
    storage(of, { length: 2 });
    expect(of.storages.get('0')).toMatchObject({ length: 9 });
    expect(storage(of, { key: 7 })).toMatchObject({ dtype: 'F32' });
    expect([...of.storages.keys()]).toEqual(['0', '7']);
    expect(storage(of, { view: ['1', 2, 4] })).toMatchObject({ length: 4, offset: 2 });
  });

  it.each<[Parameters<typeof storage>[1], RegExp]>([
    [{ type: 'torch.Size' }, /a reference that is not a storage/],
    [{ key: null }, /a storage without a name or length/],
    [{ length: -1 }, /a storage without a name or length/],
    [{ length: 'a' }, /a storage without a name or length/],
    [{ view: ['1', -1, 2] }, /an invalid view/],
    [{ view: ['1', 0, 'a'] }, /an invalid view/],
    [{ view: 5 }, /an invalid view/],
    [{ view: ['1', 3, 4] }, /goes beyond its 6 elements/],
  ])('must not be %j', async (more, message) => {
    expect(await messageOf(() => storage(resolver(), more))).toMatch(message);
  });

  it('have one type each, and are nothing else', async () => {
    const of = resolver();
    storage(of);
    expect(await messageOf(() => storage(of, { type: 'torch.HalfStorage' }))).toMatch(
      /storage .*0.* has two types/,
    );
    for (const wrong of [
      null,
      ['module', null, '0', 'cpu', 1],
      ['storage', null, '0', 'cpu', 1],
    ] as PickleValue[]) {
      expect(await messageOf(() => resolver().persistent(wrong))).toMatch(
        /a reference that is not a storage/,
      );
    }
  });
});

describe('containers', () => {
  it('are made from lists, and cost their length', () => {
    expect(call('torch.Size', [[2, 3]]).value).toEqual([2, 3]);
    expect(call('torch.Size', []).value).toEqual([]);
    expect(call('collections.OrderedDict', [[['a', 1]]])).toEqual({
      value: new Map([['a', 1]]),
      charged: 14,
    });
    expect(call('collections.OrderedDict', [new Map([['a', 1]])]).value).toEqual(new Map([['a', 1]]));
    expect(call('collections.OrderedDict', [])).toEqual({ value: new Map(), charged: 12 });
    expect(call('builtins.set', [[1, 2, 2]])).toEqual({ value: new Set([1, 2]), charged: 15 });
    expect(call('_codecs.encode', ['aé', 'latin1'])).toEqual({ value: Uint8Array.of(97, 233), charged: 2 });
    expect(call('torch._utils._rebuild_parameter', [5, true]).value).toBe(5);
    expect(call('torch._utils._rebuild_parameter', []).value).toBeNull();
  });

  it.each<[string, PickleValue[], RegExp]>([
    ['torch.Size', [5], /a list of no items/],
    ['collections.OrderedDict', [5], /a dictionary of no items/],
    ['collections.OrderedDict', [[['a']]], /an item of no pair/],
    ['collections.OrderedDict', [['ab']], /an item of no pair/],
    ['collections.OrderedDict', [[['a', 1, 2]]], /an item of no pair/],
    ['builtins.set', ['ab'], /a set of no items/],
    ['_codecs.encode', [5], /bytes that are not text/],
  ])('%s is not made of %j', async (name, args, message) => {
    expect(await messageOf(() => call(name, args))).toMatch(message);
  });

  it('take a state only where they may have one', async () => {
    let charged = 0;
    const charge = (items: number) => {
      charged += items;
    };
    const object = new PickledObject('a');
    resolver().build(object, 'state', charge);
    expect(object.state).toBe('state');
    resolver().build(new Map(), new Map(), charge);
    expect(charged).toBe(1);
    expect(await messageOf(() => resolver().build([], new Map(), charge))).toMatch(
      /a state is set on what has none/,
    );
    expect(await messageOf(() => resolver().build(new Map(), 1, charge))).toMatch(
      /a state is set on what has none/,
    );
  });
});

describe('numbers of numpy', () => {
  const scalar = (type: string, bytes: PickleValue) =>
    call('numpy.core.multiarray.scalar', [call('numpy.dtype', [type]).value, bytes]).value;
  const bytesOf = (values: Float64Array | Float32Array | BigInt64Array) => new Uint8Array(values.buffer);

  it('are read by their type', () => {
    expect(scalar('f8', bytesOf(Float64Array.of(0.1)))).toBe(0.1);
    expect(scalar('f4', bytesOf(Float32Array.of(0.5)))).toBe(0.5);
    expect(scalar('i8', bytesOf(BigInt64Array.of(-7n)))).toBe(-7);
    expect(scalar('c16', new Uint8Array(16))).toBeNull();
    for (const type of ['f8', 'f4', 'i8']) expect(scalar(type, new Uint8Array(3))).toBeNull();
  });

  it.each<[string, PickleValue[]]>([
    ['without a type', [null, new Uint8Array(8)]],
    ['with another class for the type', [new PickledObject('a'), new Uint8Array(8)]],
    ['without bytes', [new PickledObject('numpy.dtype', ['f8']), 'text']],
  ])('are refused %s', async (_, args) => {
    expect(await messageOf(() => call('numpy.core.multiarray.scalar', args))).toMatch(
      /an invalid numpy number/,
    );
  });
});
