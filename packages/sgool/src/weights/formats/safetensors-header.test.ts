/** What the reference, safetensors 0.8, accepts and refuses of a header's JSON; each verdict is its own (`deserialize`). */
import { describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { parseSafetensorsHeader } from './safetensors-header.ts';

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
