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

it('says what a model does not read', async () => {
  const line = 'the vocabulary of toybox lacks words of the prompt, which mean nothing to it: dragon';
  expect((await prompt('a red dragon', '--model', 'toybox')).stdout).toContain(`\n${line}\n`);
  const { stdout } = await prompt('a red dragon', '--model', 'toybox', '--json');
  expect(JSON.parse(stdout).model).toEqual({ name: 'toybox', notes: [line] });
  expect((await prompt('a red dragon')).stdout).not.toContain('lacks');
  const explained = await runOnFakes('/', ['generate', 'a red dragon', '--explain']);
  expect(explained.stderr).toBe(`sgool: warning: ${line}\n`);
});

it('names a number of steps that cannot be', async () => {
  const { code, stderr } = await prompt('a cat', '--steps', 'x');
  expect(code).not.toBe(0);
  expect(stderr).toContain('--steps: not usable, got x; give a whole number from 1 up to 1000');
});

it.each([
  ['a (red)1.3 cat-', ['1    "a"', '1.3  "red"', '0.9  "cat"', 'scorers read: "a red cat"']],
  [
    '("a cat", "a dog++").blend(0.7, 0.3)',
    [
      'blend 0.7  1     "a cat"',
      'blend 0.3  1     "a"',
      '           1.21  "dog"',
      'scorers read: "a cat a dog"',
    ],
  ],
  [
    '("a cat", "a hat").and(1, 0.5) withLora(x)',
    [
      'and 1    1  "a cat"',
      'and 0.5  1  "a hat"',
      'scorers read: "a cat a hat"',
      'compel reads nothing behind .and(), left out of the prompt: withLora(x)',
    ],
  ],
  ['', ['scorers read: ""']],
])("shows compel's operators: %s", async (text, lines) => {
  const { stdout } = await prompt(text, '--prompt-syntax', 'compel');
  expect(stdout).toBe(`${lines.join('\n')}\n`);
});

it.each([['generate'], ['refine', 'none.png']])(
  'is what %s --explain shows, which makes nothing',
  async (...command) => {
    const text = 'a [cat|dog] (red:1.3)';
    const options = ['--steps', '2', '--explain'];
    const explained = await runOnFakes('/', [...command, text, ...options]);
    expect(explained).toMatchObject({ code: 0, stdout: (await prompt(text, '--steps', '2')).stdout });
    const both = await runOnFakes('/', [
      ...command,
      text,
      ...options,
      '--negative',
      'b++',
      '--prompt-syntax',
      'compel',
    ]);
    expect(both.stdout).toContain('negative prompt: b++\n1.21  "b"\n');
    const json = await runOnFakes('/', [...command, text, ...options, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ what: 'prompt', prompt: text, syntax: 'a1111' });
  },
);

it('shows the other prompts of a file where one cannot be used', async () => {
  const input = 'a cat\n("a", "b").blend(1)\na dog\n';
  const options = ['--prompts', '-', '--prompt-syntax', 'compel', '--explain'];
  const { code, stdout, stderr } = await runOnFakes('/', ['generate', ...options], { input });
  expect(code).not.toBe(0);
  expect(stdout).toContain('prompt: a dog\n1  "a dog"');
  expect(stderr).toContain('.blend() has 1 weights for 2 texts');
  expect(stderr).toContain('1 of 3 prompts cannot be used');
});
