import { expect, it } from 'vitest';
import { refusalOf } from '../testing.ts';
import { transalnetConfig } from './transalnet-config.ts';

it('says in one line which size is wrong', () => {
  expect(refusalOf(transalnetConfig, { image_size: [288, 380] })).toMatch(/image_size .*multiples of 32/);
});
