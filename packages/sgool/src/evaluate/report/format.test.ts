import { expect, it } from 'vitest';
import { intervalText, neededText, pText, quantity, shortRatio, signedQuantity, withUnit } from './format.ts';

it('prints figures as a table shows them', () => {
  expect([quantity(-1234.567, 1), quantity(-0.0001, 2), quantity(0.5, 3)]).toEqual([
    '−1,234.6',
    '0.00',
    '0.500',
  ]);
  expect([signedQuantity(0.25, 2), signedQuantity(-0.25, 2), signedQuantity(0.001, 2)]).toEqual([
    '+0.25',
    '−0.25',
    '0.00',
  ]);
  expect(intervalText({ low: -0.1, high: 0.2 }, 1)).toBe('−0.1 to 0.2');
  expect(intervalText(null, 1)).toBe('none');
  expect([pText(0.0009), pText(0.001), pText(1)]).toEqual(['< 0.001', '= 0.001', '= 1.000']);
  expect([withUnit(0), withUnit(999), withUnit(999_600), withUnit(1.2345e12), withUnit(5e21)]).toEqual([
    '0',
    '999',
    '1 M',
    '1.23 T',
    '5000 E',
  ]);
  expect([neededText(1234), neededText(100_000), neededText(13_168_749)]).toEqual([
    '1,234',
    '100,000',
    'more than 100,000',
  ]);
  expect([shortRatio(0.44), shortRatio(9.94), shortRatio(9.96), shortRatio(1500)]).toEqual([
    '0.4',
    '9.9',
    '10',
    '1,500',
  ]);
});
