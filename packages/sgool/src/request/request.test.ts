import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { UserError } from '../errors.ts';
import { fineTuneSettings } from '../finetune/settings.ts';
import { refineShape } from '../methods/edit/refine-request.ts';
import { METHOD_NAMES, METHODS, methods, parseRequest } from '../methods/index.ts';
import { SETTING_GROUPS, SETTINGS, type Settings } from './settings/index.ts';
import { ownersOf, VALUES } from './testing.ts';

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
    [{ prompt: 'a'.repeat(50_001) }, /prompt is not usable, .*; must have at most 50000 characters/],
    [
      { prompt: 'a', negativePrompt: 'a'.repeat(50_001) },
      /negativePrompt .*; must have at most 50000 characters/,
    ],
    [
      { prompt: 'a cat', method: 'magic' },
      /method .* got "magic"; choose one of sd, clip-guided, doodl, sgool, best-of, attend-and-excite/,
    ],
    [{ prompt: 'a cat', saliency: 'eyes' }, /saliency .* got "eyes"; must be one of transalnet, grad-cam/],
    [{ prompt: 'a cat', step: 5 }, /unknown key step; choose from prompt, .*steps/],
    [{ prompt: 'a cat', steps: 0 }, /steps is not usable, got 0; .*1/],
    [{ prompt: 'a cat', seed: 1.5 }, /seed is not usable, got 1.5/],
    [{ prompt: 'a cat', lambda: Number.NaN }, /lambda is not usable/],
    ['a cat', /request: it is not usable, got "a cat"/],
    [
      { prompt: 'a cat', method: 'sd', mask: {} },
      /^request: mask: method sd has no such option; sgool and detail have it$/,
    ],
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

const keys = Object.keys(SETTINGS) as (keyof Settings)[];
const CASES = METHOD_NAMES.flatMap((method) => keys.map((key) => [method, key] as const));

describe('a setting', () => {
  it('is in one group, and has a description', () => {
    expect(SETTING_GROUPS.flatMap(([, settings]) => Object.keys(settings)).sort()).toEqual([...keys].sort());
    for (const key of keys) expect(SETTINGS[key].description, key).toBeTruthy();
  });

  it.each(CASES)('%s: %s is accepted, or refused with the methods that have it', async (method, key) => {
    const request = { prompt: 'a cat', method, [key]: VALUES[key] };
    const { names, text } = ownersOf(key, METHOD_NAMES);
    expect(Object.hasOwn(methods[method].settings, key)).toBe(names.includes(method));
    if (names.includes(method)) {
      expect(parseRequest(request)).toMatchObject({ method, [key]: VALUES[key] });
      return;
    }
    const message = `request: ${key}: method ${method} has no such option; ${text}`;
    expect(() => parseRequest(request)).toThrow(new UserError(message));
    // Also where a method is called without its name in the request.
    const run = methods[method].run({} as never, { prompt: 'a cat', [key]: VALUES[key] });
    await expect(run.next()).rejects.toThrow(new UserError(message));
  });
});

describe('a number', () => {
  const schemas = { ...SETTINGS, ...refineShape, ...fineTuneSettings };
  const numeric = Object.entries(schemas).flatMap(([key, schema]) => {
    const described = z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' });
    const { type } = described;
    return type === 'number' || type === 'integer' ? [{ key, schema, described }] : [];
  });
  const NO_NUMBERS = [Number.NaN, Infinity, -Infinity, '3', '', null, true, [3], 3n, { valueOf: () => 3 }];

  it('of a setting is finite and within its range, whole where only that has a meaning', () => {
    expect(numeric.length).toBeGreaterThan(90);
    for (const { key, schema, described } of numeric) {
      const takes = (value: unknown) => (schema as z.ZodType).safeParse(value).success;
      const { minimum = described.exclusiveMinimum, maximum = described.exclusiveMaximum } = described;
      for (const value of [...NO_NUMBERS, 1e308, -1e308, 2 ** 53])
        expect(takes(value), `${key} ${value}`).toBe(false);
      if (described.type === 'integer') expect(takes(1.5), key).toBe(false);
      // A range has two ends.
      for (const [end, beyond] of [
        [minimum, -1],
        [maximum, 1],
      ] as const) {
        expect(end, key).toBeTypeOf('number');
        expect(takes((end as number) + beyond), `${key} ${end}`).toBe(false);
      }
    }
  });

  it.each(numeric.filter(({ key }) => Object.hasOwn(SETTINGS, key)).map(({ key }) => key))(
    '%s is refused in one line that names it and the value',
    (key) => {
      const { names } = ownersOf(key, METHOD_NAMES);
      for (const value of NO_NUMBERS) {
        const request = { prompt: 'a cat', method: names[0], [key]: value };
        expect(() => parseRequest(request)).toThrow(UserError);
        expect(() => parseRequest(request)).toThrow(
          new RegExp(`^request: ${key} is not usable, got [^\\n]+; [^\\n]+$`),
        );
      }
    },
  );
});

it('the table names every method by its own name', () => {
  expect(METHODS.map(({ name }) => name)).toEqual([
    'sd',
    'clip-guided',
    'doodl',
    'sgool',
    'best-of',
    'attend-and-excite',
    'flowchef',
    'zero-order',
    'trust-region-search',
    'resampling',
    'free-init',
    'detail',
    'plan',
  ]);
  for (const name of METHOD_NAMES) expect(methods[name].name).toBe(name);
  expect(METHODS.filter(({ movesNoise }) => movesNoise).map(({ name }) => name)).toEqual(['doodl', 'sgool']);
});
