import { describe, expect, it } from 'vitest';
import { messageOf } from '../testing.ts';
import { metadataOf, peftSettings } from './peft-settings.ts';

const scale = (config: Record<string, unknown>, path = 'a.to_q', rank = 8) =>
  peftSettings(config, 'x').scale(path, rank);

describe('the strength of a change', () => {
  it('is alpha over rank, both 8 where nothing is said', () => {
    expect(scale({})).toBe(1);
    expect(scale({ lora_alpha: 4 })).toBe(0.5);
    expect(scale({ alpha: 4 })).toBe(0.5);
    expect(scale({ lora_alpha: 4, alpha: 2 })).toBe(0.5);
    expect(scale({ lora_alpha: null, alpha: 2 })).toBe(0.25);
    expect(scale({ r: 16, lora_alpha: 4 }, 'a', 16)).toBe(0.25);
    expect(scale({ r: 16, lora_alpha: 4, use_rslora: true }, 'a', 16)).toBe(1);
  });

  it('follows patterns: the first that fits a path or its end', () => {
    const config = {
      alpha_pattern: { to_q: 2, 'mid.to_k': 4, 'down.[01].x': 1, '.*v': 16 },
      rank_pattern: { to_q: 4 },
    };
    expect(scale(config, 'a.to_q', 4)).toBe(0.5);
    expect(scale(config, 'to_q', 4)).toBe(0.5);
    expect(scale(config, 'auto_q')).toBe(1);
    expect(scale(config, 'up.mid.to_k')).toBe(0.5);
    expect(scale(config, 'up.mid.to_k.more')).toBe(1);
    expect(scale(config, 'net.down.1.x')).toBe(0.125);
    expect(scale(config, 'netdown.1.x')).toBe(1);
    expect(scale(config, 'a.b.to_v')).toBe(2);
  });

  it('must belong to matrices of that rank, for LoRA only', async () => {
    expect(await messageOf(() => scale({ r: 4 }))).toMatch(
      /the rank of a.to_q is 4, but its matrices have rank 8/,
    );
    expect(scale({ peft_type: 'LOKR', r: 4, alpha: 2 })).toBe(0.5);
  });
});

describe('the configuration', () => {
  it('says the method, and whether there are magnitudes', () => {
    expect(peftSettings({}, 'x')).toMatchObject({ type: 'LORA', usesDora: false });
    expect(peftSettings({ peft_type: 'LOHA', use_dora: true }, 'x')).toMatchObject({
      type: 'LOHA',
      usesDora: true,
    });
  });

  it('may have what changes nothing, and whatever is empty', () => {
    const config = {
      target_modules: ['to_q'],
      bias: 'none',
      other: null,
      more: false,
      text: '',
      list: [],
      record: {},
      r: null,
    };
    expect(scale(config)).toBe(1);
    for (const start of [true, 'gaussian', 'EVA', 'orthogonal'])
      expect(scale({ init_lora_weights: start })).toBe(1);
  });

  it('may have as many patterns as are read, and expressions of three repetitions', () => {
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, 1]));
    expect(scale({ alpha_pattern: many(5000) })).toBe(1);
    expect(scale({ alpha_pattern: { 'a+b+c+d': 3, [`(${'x'.repeat(298)})`]: 3 } })).toBe(1);
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [{ peft_type: 'IA3' }, /peft_type is not supported, got "IA3"; LORA, LOHA, LOKR are/],
    [{ layer_replication: 'x' }, /layer_replication is not supported, got "x"/],
    [{ other: true }, /other is not supported, got true/],
    [{ other: 0 }, /other is not supported, got 0/],
    [{ other: 'y'.repeat(100) }, /got "y{76}\.\.\.;/],
    [{ init_lora_weights: 'pissa' }, /init_lora_weights "pissa" also changes the model's own weights/],
    [{ r: 'a' }, /r must be a number, got "a"/],
    [{ lora_alpha: Number.NaN }, /lora_alpha must be a number/],
    [{ alpha_pattern: [1] }, /alpha_pattern must be an object of numbers by module, got \[1\]/],
    [{ rank_pattern: 5 }, /rank_pattern must be an object/],
    [{ alpha_pattern: { a: '1' } }, /alpha_pattern of "a" must be a number from 0, got "1"/],
    [{ alpha_pattern: { a: -1 } }, /must be a number from 0, got -1/],
    [{ alpha_pattern: { 'a+b+c+d+': 1 } }, /has the expression "a\+b\+c\+d\+", which is not supported/],
    [{ alpha_pattern: { '(a*)*': 1 } }, /which is not supported/],
    [{ alpha_pattern: { '(a': 1 } }, /which is not supported/],
    [{ alpha_pattern: { [`(${'x'.repeat(299)})`]: 1 } }, /which is not supported/],
    [
      { alpha_pattern: Object.fromEntries(Array.from({ length: 5001 }, (_, i) => [`m${i}`, 1])) },
      /has 5001 entries, at most 5000/,
    ],
  ])('must not be %j', async (config, message) => {
    expect(await messageOf(() => peftSettings(config, 'x'))).toMatch(message);
  });
});

it('the metadata of one network is that below its name', () => {
  const all = { 'unet.r': 4, 'unet.lora_alpha': 2, 'text_encoder.r': 8, unet: 1 };
  expect(metadataOf(all, 'unet')).toEqual({ r: 4, lora_alpha: 2 });
  expect(metadataOf(all, 'text_encoder')).toEqual({ r: 8 });
  expect(metadataOf(all, 'vae')).toBeUndefined();
});

describe('numbers and texts at their limits', () => {
  it.each([-1, -0.1, Number.NaN, Number.POSITIVE_INFINITY, '8', true])(
    'an alpha of %j is refused',
    async (alpha) => {
      expect(await messageOf(() => scale({ alpha_pattern: { to_q: alpha } }))).toMatch(
        /alpha_pattern of "to_q" must be a number from 0, got/,
      );
    },
  );

  it('an alpha of 0, or below 1, is one', () => {
    expect(scale({ alpha_pattern: { to_q: 0 } })).toBe(0);
    expect(scale({ alpha_pattern: { to_q: 0.5 } })).toBe(0.0625);
  });

  it('long values are shown short', async () => {
    const said = (length: number) => messageOf(() => scale({ lora_alpha: 'x'.repeat(length - 2) }));
    expect(await said(80)).toContain(`"${'x'.repeat(78)}"`);
    expect(await said(81)).toContain(`"${'x'.repeat(76)}...`);
  });
});
