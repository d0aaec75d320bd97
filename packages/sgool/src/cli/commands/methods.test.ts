import { expect, it } from 'vitest';
import { METHODS } from '../../methods/index.ts';
import { runOnFakes } from '../testing.ts';

it('lists every method with its summary, and with its settings in JSON', async () => {
  const { code, stdout } = await runOnFakes('/', ['methods']);
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(METHODS.length);
  METHODS.forEach(({ name, summary }, i) => {
    expect(lines[i]).toMatch(new RegExp(`^${name} +${summary}$`));
  });
  const { methods } = JSON.parse((await runOnFakes('/', ['methods', '--json'])).stdout);
  expect(methods).toEqual(
    METHODS.map(({ name, summary, settings }) => ({ name, summary, settings: Object.keys(settings) })),
  );
});
