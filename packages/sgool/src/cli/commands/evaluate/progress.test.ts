import { expect, it } from 'vitest';
import { CellPace } from './progress.ts';

const waiting = (...labels: string[]) => labels.map((label) => ({ label }));

it('knows the time left by the means of each method, shared by all processes', () => {
  const pace = new CellPace();
  pace.add('sd', 1);
  pace.add('sd', 3);
  pace.add('sgool', 100);
  expect(pace.secondsLeft(waiting('sd', 'sgool', 'sd'), 1)).toBe(104);
  expect(pace.secondsLeft(waiting('sd', 'sgool', 'sd'), 2)).toBe(52);
  expect(pace.secondsLeft([], 0)).toBe(0);
});

it('says nothing while a method among those that wait has not been run', () => {
  const pace = new CellPace();
  pace.add('sd', 1);
  expect(pace.secondsLeft(waiting('sd', 'sgool'), 1)).toBeUndefined();
});

it('goes by the last five cells of a method, since the first one compiles', () => {
  const pace = new CellPace();
  for (const seconds of [100, 1, 2, 3, 4, 5]) pace.add('sd', seconds);
  expect(pace.secondsLeft(waiting('sd'), 1)).toBe(3);
});
