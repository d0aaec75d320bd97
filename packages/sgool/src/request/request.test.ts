import { describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { parseRequest } from './request.ts';

describe('parseRequest', () => {
  it('needs a prompt and fills in the rest', () => {
    expect(parseRequest({ prompt: 'a cat' })).toEqual({
      prompt: 'a cat',
      negativePrompt: '',
      method: 'sgool',
      model: 'toybox',
      seed: -1,
      preset: 'model',
    });
  });

  it.each([
    [{ prompt: ' ' }, /prompt is not usable, got " "; must not be empty/],
    [{}, /prompt is not usable, got nothing/],
    [
      { prompt: 'a cat', method: 'magic' },
      /method .* got "magic"; choose one of sd, clip-guided, doodl, sgool, best-of/,
    ],
    [{ prompt: 'a cat', saliency: 'eyes' }, /saliency .* got "eyes"; choose one of transalnet, grad-cam/],
    [{ prompt: 'a cat', step: 5 }, /unknown key step; choose from prompt, .*steps/],
    [{ prompt: 'a cat', steps: 0 }, /steps is not usable, got 0; .*1/],
    [{ prompt: 'a cat', seed: 1.5 }, /seed is not usable, got 1.5/],
    [{ prompt: 'a cat', lambda: Number.NaN }, /lambda is not usable/],
    ['a cat', /request: it is not usable, got "a cat"/],
  ])('refuses %j in one line', (request, message) => {
    expect(() => parseRequest(request)).toThrow(UserError);
    expect(() => parseRequest(request)).toThrow(message);
    try {
      parseRequest(request);
    } catch (error) {
      expect((error as Error).message).not.toContain('\n');
    }
  });
});
