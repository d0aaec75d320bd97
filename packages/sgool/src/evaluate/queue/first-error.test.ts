import { expect, it } from 'vitest';
import { firstError } from './first-error.ts';

it('is that of the first address of a host with several, and an error of one by itself', () => {
  const [first, second] = [new Error('::1 refused'), new Error('127.0.0.1 refused')];
  expect(firstError(new AggregateError([first, second]))).toBe(first);
  expect(firstError(second)).toBe(second);
  const empty = new AggregateError([]);
  expect(firstError(empty)).toBe(empty);
});
