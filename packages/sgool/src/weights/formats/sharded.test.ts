import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { messageOf } from '../testing.ts';
import { openSharded } from './sharded.ts';
import { writeSafetensors } from './write-safetensors.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-shards-'));
  const tensor = (value: number) => ({ dtype: 'F32' as const, shape: [1], data: Float32Array.of(value) });
  await writeSafetensors(join(dir, 'one.safetensors'), { a: tensor(1), b: tensor(2) }, { format: 'one' });
  await writeSafetensors(join(dir, 'two.safetensors'), { c: tensor(3) }, { format: 'two' });
});
afterAll(() => rm(dir, { recursive: true }));

let count = 0;
async function open(map: unknown) {
  const path = join(dir, `${count++}.index.json`);
  await writeFile(path, JSON.stringify({ metadata: {}, weight_map: map }));
  return openSharded(path);
}

const good = { c: 'two.safetensors', a: 'one.safetensors', b: 'one.safetensors' };

it('gives all tensors in the order of the index, and the metadata of the first shard', async () => {
  const { path, tensors, metadata } = await open(good);
  expect([...tensors.keys()]).toEqual(['c', 'a', 'b']);
  expect([...tensors.values()].map((each) => each.path.slice(dir.length + 1))).toEqual(Object.values(good));
  expect([path, metadata]).toEqual([join(dir, 'two.safetensors'), { format: 'two' }]);
});

it('a tensor with the name of what every object has must be listed like any other', async () => {
  const one = { dtype: 'F32' as const, shape: [1], data: Float32Array.of(1) };
  await writeSafetensors(join(dir, 'odd.safetensors'), { toString: one, e: one });
  expect(await messageOf(open({ e: 'odd.safetensors' }))).toMatch(
    /odd\.safetensors holds "toString", which the index does not list;/,
  );
  const map = { toString: 'odd.safetensors', e: 'odd.safetensors' };
  expect([...(await open(map)).tensors.keys()]).toEqual(['toString', 'e']);
});

it.each<[string, unknown, RegExp]>([
  ['no map', undefined, /it has no weight_map; is it an index of shards\?/],
  ['null', null, /has no weight_map/],
  ['a list', ['one.safetensors'], /has no weight_map/],
  ['a text', 'one.safetensors', /has no weight_map/],
  ['nothing', {}, /its weight_map is empty/],
  ['a number', { a: 3 }, /a shard must be a file beside the index, got 3/],
  ['an empty name', { a: '' }, /a file beside the index, got ""/],
  ['another folder', { a: 'x/one.safetensors' }, /a file beside the index, got "x\/one/],
  ['another folder of Windows', { a: 'x\\one.safetensors' }, /a file beside the index/],
  ['a drive', { a: 'c:one.safetensors' }, /a file beside the index/],
  ['a control character', { a: 'one\u0007' }, /a file beside the index/],
  ['a hidden file', { a: '.one' }, /a file beside the index, got ".one"/],
  [
    'a tensor that the shard does not hold',
    { ...good, d: 'two.safetensors' },
    /two\.safetensors does not hold "d"/,
  ],
  [
    'a tensor that the index does not list',
    { a: 'one.safetensors' },
    /one\.safetensors holds "b", which the index does not list; download/,
  ],
  [
    'a tensor that the index expects elsewhere',
    { ...good, b: 'two.safetensors' },
    /one\.safetensors holds "b", which the index expects in two\.safetensors; download/,
  ],
  [
    'a tensor with the name of what every object has',
    { constructor: 'two.safetensors', c: 'two.safetensors' },
    /two\.safetensors does not hold "constructor"/,
  ],
  [
    '1001 shards',
    Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`t${i}`, `${i}.safetensors`])),
    /1001 shards, the limit is 1000/,
  ],
  [
    '1000 shards that are not there',
    Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`t${i}`, `no${i}.safetensors`])),
    /no0\.safetensors/,
  ],
  ['a long name', { ...good, ['d'.repeat(90)]: 'two.safetensors' }, /does not hold "d{80}"$/],
])('%s is refused', async (_, map, message) => {
  expect(await messageOf(open(map))).toMatch(message);
});
