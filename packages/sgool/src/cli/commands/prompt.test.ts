import { expect, it } from 'vitest';
import { runOnFakes } from '../testing.ts';

const prompt = (...given: string[]) => runOnFakes('/', ['prompt', ...given]);

it('shows the weights, changes and tags of a prompt', async () => {
  const { stdout } = await prompt('a (red:1.3) [cat|dog] <lora:x:0.8> BREAK AND', '--steps', '3');
  expect(stdout.split('\n')).toEqual([
    'steps 1-2  1    "a "',
    '           1.3  "red"',
    '           1    " cat"',
    '                BREAK',
    '           1    "AND"',
    'step 3     1    "a "',
    '           1.3  "red"',
    '           1    " dog"',
    '                BREAK',
    '           1    "AND"',
    'scorers read: "a red cat dog AND"',
    'lora: x, 0.8',
    'AND in a prompt (composable diffusion) is not supported; it is read as a word',
    '',
  ]);
});

it('shows a plain prompt as it is', async () => {
  const { stdout } = await prompt('a (red) cat', '--prompt-syntax', 'plain', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    stages: [{ parts: [{ text: 'a (red) cat', weight: 1 }] }],
    text: 'a (red) cat',
  });
});

it('names a number of steps that cannot be', async () => {
  const { code, stderr } = await prompt('a cat', '--steps', 'x');
  expect(code).not.toBe(0);
  expect(stderr).toContain('whole number from 1 to 1000');
});
