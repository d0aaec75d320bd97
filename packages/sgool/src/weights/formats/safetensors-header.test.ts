/** What the reference, safetensors 0.8, accepts and refuses of a header's JSON; each verdict is its own (`deserialize`). */
import { describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { headerLength, parseSafetensorsHeader } from './safetensors-header.ts';

const A = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
const TWICE_AS_LONG = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}';

function parsed(json: string | Uint8Array) {
  const bytes = typeof json === 'string' ? new TextEncoder().encode(json) : json;
  return parseSafetensorsHeader(bytes, 8 + bytes.length + 4, 'file');
}

describe('accepted', () => {
  it.each([
    ['plain', `{${A}}`],
    ['a tensor that is there twice: the last one counts', `{${TWICE_AS_LONG},${A}}`],
    ['the same with an escape', `{${TWICE_AS_LONG},${A.replace('"a"', '"\\u0061"')}}`],
    ['a key of the metadata that is there twice', `{"__metadata__":{"x":"1","x":"2"},${A}}`],
    ['metadata null', `{"__metadata__":null,${A}}`],
    ['a field that is not known', `{${A.replace('{', '{"x":1,')}}`],
    ['space before and behind', ` {${A}}  `],
  ])('%s', (_, json) => {
    expect([...parsed(json).tensors.keys()]).toEqual(['a']);
    expect(parsed(json).tensors.get('a')?.shape).toEqual([1]);
  });
});

describe('refused', () => {
  it.each([
    ['a byte order mark', new TextEncoder().encode(`\ufeff{${A}}`), /the header is not JSON/],
    [
      'metadata that is there twice',
      `{"__metadata__":{},"__metadata__":{},${A}}`,
      /"__metadata__" is there twice/,
    ],
    [
      'a field that is there twice',
      `{${A.replace('{', '{"dtype":"F32",')}}`,
      /the field "dtype" is there twice/,
    ],
    [
      'the same with an escape',
      `{${A.replace('{', '{"d\\u0074ype":"F32",')}}`,
      /the field "dtype" is there twice/,
    ],
    [
      'a length with a fraction',
      `{${A.replace('[1]', '[1.0]')}}`,
      /1\.0 is not written as a whole number from 0/,
    ],
    [
      'a length with an exponent',
      `{${A.replace('[1]', '[1e0]')}}`,
      /1e0 is not written as a whole number from 0/,
    ],
    ['a zero with a sign', `{${A.replace('[0,', '[-0,')}}`, /-0 is not written as a whole number from 0/],
    ['half of a surrogate pair', `{${A.replace('"a"', '"\\ud800"')}}`, /holds half of a surrogate pair/],
  ])('%s', (_, json, message) => {
    expect(() => parsed(json)).toThrow(UserError);
    expect(() => parsed(json)).toThrow(message);
  });
});

describe('headers at their limits', () => {
  const bytes = (length: bigint) => new Uint8Array(BigUint64Array.of(length).buffer);

  it('a length is believed where the file can hold it', () => {
    expect(headerLength(bytes(2n), 10, 'x')).toBe(2);
    expect(headerLength(bytes(25_000_000n), 30_000_000, 'x')).toBe(25_000_000);
    expect(() => headerLength(bytes(25_000_001n), 30_000_000, 'x')).toThrow(
      'x: not a valid safetensors file: header of 25000001 bytes, the limit is 25000000',
    );
    expect(() => headerLength(bytes(1n), 10, 'x')).toThrow('header of 1 bytes');
    expect(() => headerLength(bytes(3n), 10, 'x')).toThrow('goes beyond the end of the file (10 bytes)');
    expect(() => headerLength(bytes(2n).subarray(1), 10, 'x')).toThrow('10 bytes are too few');
    expect(() => headerLength(bytes(2n), 7, 'x')).toThrow('7 bytes are too few');
  });

  it('16 dimensions are read', () => {
    const tensor = (rank: number) =>
      `{"a":{"dtype":"F32","shape":[${Array(rank).fill(1)}],"data_offsets":[0,4]}}`;
    expect(parsed(tensor(16)).tensors.get('a')?.shape).toHaveLength(16);
    expect(() => parsed(tensor(17))).toThrow(/has shape/);
  });

  it.each([
    ['metadata that is a list', `{"__metadata__":["x"],${A}}`, '__metadata__ is not an object'],
    ['metadata that is a text', `{"__metadata__":"x",${A}}`, '__metadata__ is not an object'],
    ['null', 'null', 'the header is not an object'],
    ['bytes that are no text', new Uint8Array([0x7b, 0xff, 0x7d]), 'the header is not JSON'],
    ['another size', `{${A.replace('[0,4]', '[1,4]')}}`, 'needs 4 bytes, its data_offsets give 3'],
    [
      'a hole before the first',
      `{${A.replace('[1]', '[0]').replace('[0,4]', '[3,3]')}}`,
      '3 unused bytes before tensor "a"',
    ],
    ['a long name', `{"${'n'.repeat(79)}":3}`, `tensor "${'n'.repeat(76)}... has no description`],
    [
      'a name of 80 characters with its quotes',
      `{"${'n'.repeat(78)}":3}`,
      `tensor "${'n'.repeat(78)}" has no`,
    ],
  ])('%s is refused', (_, json, message) => {
    expect(() => parsed(json)).toThrow(message);
  });

  it('tensors come in the order of their data, empty ones first', () => {
    const empty = '"e":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';
    const late = '"l":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}';
    expect([...parsed(`{${late},${A},${empty}}`).tensors.keys()]).toEqual(['e', 'a', 'l']);
  });
});
