import { describe, expect, it } from 'vitest';
import { messageOf } from '../../testing.ts';
import { PickledObject, PickledTensor, type PickleValue, Storage } from './pickle-values.ts';
import { namedTensors, plainValues } from './state-dict.ts';

const tensor = () => new PickledTensor(new Storage('F32', '0', 1), 'F32', 0, [1], [1]);
const dictionary = (values: Readonly<Record<string, PickleValue>>): PickleValue =>
  new Map<PickleValue, PickleValue>(Object.entries(values));
const names = (value: PickleValue) => namedTensors(value, 'x.pt').map(([name]) => name);
const weights = () => dictionary({ w: tensor() });

describe('a state dict', () => {
  it.each<[string, PickleValue, string[]]>([
    ['by itself', dictionary({ w: tensor(), epoch: 3 }), ['w']],
    ['under model_state_dict', dictionary({ model_state_dict: weights() }), ['w']],
    [
      'under a name of its own before others',
      dictionary({ model: weights(), state_dict: dictionary({ v: tensor() }) }),
      ['v'],
    ],
    ['beside tensors of the trainer', dictionary({ step: tensor(), state_dict: weights() }), ['w']],
    // `model` may be the beginning of names, and a dictionary of something else.
    ['that has a part called model', dictionary({ w: tensor(), model: dictionary({ v: tensor() }) }), ['w']],
    ['whose model is no dictionary', dictionary({ w: tensor(), model: 3 }), ['w']],
    [
      'with a name that is no text',
      new Map<PickleValue, PickleValue>([
        [3, tensor()],
        ['w', tensor()],
      ]),
      ['w'],
    ],
    ['of DataParallel', dictionary({ 'module.a': tensor(), 'module.b': tensor() }), ['a', 'b']],
    ['of DataParallel, with one weight', dictionary({ 'module.a': tensor() }), ['a']],
    [
      'that is only partly of DataParallel',
      dictionary({ 'module.a': tensor(), b: tensor() }),
      ['module.a', 'b'],
    ],
  ])('%s', (_, value, found) => {
    expect(names(value)).toEqual(found);
  });

  it('is looked for through four dictionaries', async () => {
    const nested = (depth: number): PickleValue =>
      depth === 0 ? weights() : dictionary({ model: nested(depth - 1) });
    for (const depth of [0, 1, 2, 3, 4]) expect(names(nested(depth)), String(depth)).toEqual(['w']);
    expect(await messageOf(() => names(nested(5)))).toBe(
      'x.pt: it holds no tensors by name; a state dict is expected',
    );
  });

  it('is not there', async () => {
    for (const value of [3, [], dictionary({}), new PickledObject('Net')]) {
      expect(await messageOf(() => names(value))).toMatch(/holds no tensors by name/);
    }
  });
});

describe('modules of TorchScript', () => {
  const module = (values: Readonly<Record<string, PickleValue>>) => {
    const made = new PickledObject('Net');
    made.state = dictionary(values);
    return made;
  };
  /** A module in a module in ... */
  const nested = (depth: number): PickledObject =>
    module(depth === 0 ? { w: tensor() } : { m: nested(depth - 1) });

  it('give their parameters by the path of attributes', () => {
    const stateless = new PickledObject('ReLU');
    expect(names(module({ a: tensor(), inner: module({ b: tensor(), n: 3 }), act: stateless }))).toEqual([
      'a',
      'inner.b',
    ]);
  });

  it('may lie 64 deep', async () => {
    expect(names(nested(64))).toEqual([`${'m.'.repeat(64)}w`]);
    expect(await messageOf(() => names(nested(65)))).toBe('x.pt: modules are nested deeper than 64');
  });

  it('may have 200000 attributes', async () => {
    const many = (count: number) =>
      module(Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, i === 0 ? tensor() : i])));
    expect(names(many(200_000))).toEqual(['n0']);
    expect(await messageOf(() => names(many(200_001)))).toBe(
      'x.pt: its modules have more than 200000 attributes',
    );
  });
});

it('plain values are texts and numbers, cut to a length', () => {
  const value = new Map<PickleValue, PickleValue>([
    ['epoch', 7],
    ['note', 'n'.repeat(201)],
    [3, 'no name'],
    ['list', []],
    ['none', null],
  ]);
  expect(plainValues(value)).toEqual({ epoch: '7', note: 'n'.repeat(200) });
  expect(plainValues([])).toEqual({});
});
