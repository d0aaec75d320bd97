import { expect, it } from 'vitest';
import { UserError } from './errors.ts';

it('a message shows the escape sequences of names in files, and does not send them to the terminal', () => {
  expect(
    new UserError('x.safetensors: tensor \u001b]0;title\u0007\u001b[2J\u009b is unknown, naïve').message,
  ).toBe('x.safetensors: tensor \\u001b]0;title\\u0007\\u001b[2J\\u009b is unknown, naïve');
});
