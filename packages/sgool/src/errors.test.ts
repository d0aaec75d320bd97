import { expect, it } from 'vitest';
import { UserError } from './errors.ts';

it('a message shows the escape sequences of names in files, and does not send them to the terminal', () => {
  expect(
    new UserError('x.safetensors: tensor \u001b]0;title\u0007\u001b[2J\u009b is unknown, naïve').message,
  ).toBe('x.safetensors: tensor \\u001b]0;title\\u0007\\u001b[2J\\u009b is unknown, naïve');
});

it('a long message keeps its beginning and its end', () => {
  const message = (length: number) =>
    new UserError(`model.json: "${'x'.repeat(length)}" is not supported`).message;
  expect(message(900)).toHaveLength(931);
  const long = message(1e6);
  expect(long).toHaveLength(1000);
  expect(long).toMatch(/^model.json: "x+ \.\.\. x+" is not supported$/);
  expect(message(969)).toHaveLength(1000);
  expect(message(969)).not.toContain('...');
});
