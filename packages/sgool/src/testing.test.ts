import { expect, it } from 'vitest';
import { until } from './testing.ts';

it('waits until something holds, and says for what it waited in vain', async () => {
  let asked = 0;
  await until(() => ++asked === 3, 'the third question');
  expect(asked).toBe(3);
  await expect(until(() => false, 'snow', 0.02)).rejects.toThrow('waited 0.02 s for snow');
  await expect(
    until(
      () => false,
      () => `rain; there is ${asked}`,
      0.02,
    ),
  ).rejects.toThrow('for rain; there is 3');
});
