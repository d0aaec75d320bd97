import { describe, expect, it } from 'vitest';
import { ATTENTION_BLOCKS, allBlocks, BLOCK_PRESETS, BLOCKS, blockOf } from '../names/lora-blocks.ts';
import { checkStrength, loraStrength, loraTag } from './lora-strength.ts';

// What the web UI makes of the same words: its order is text encoder, UNet; a UNet without a weight takes that of the text encoder.
it.each([
  [[], {}],
  [['0.8'], { weight: 0.8 }],
  [[' -.5 '], { weight: -0.5 }],
  [['0.8', '0.5'], { weight: 0.5, textEncoderWeight: 0.8 }],
  [['te=0.5'], { weight: 0.5 }],
  [['unet=0.5'], { weight: 0.5, textEncoderWeight: 1 }],
  [['te=0', 'unet=1'], { weight: 1, textEncoderWeight: 0 }],
  [['0.8', 'te=0.5'], { weight: 0.5 }],
  [['0.8', 'unet=0.5'], { weight: 0.5, textEncoderWeight: 0.8 }],
  [['0.8', '0.5', 'te=1'], { weight: 0.5, textEncoderWeight: 1 }],
  [['1', 'lbw=NONE'], { weight: 1, blockWeights: BLOCK_PRESETS.NONE }],
  [['1', 'w=ALL0.5'], { weight: 1, blockWeights: BLOCK_PRESETS['ALL0.5'] }],
  [['1', 'IND'], { weight: 1, blockWeights: BLOCK_PRESETS.IND }],
  [['1', '1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0'], { weight: 1, blockWeights: BLOCK_PRESETS.IND }],
])('reads %j', (values, strength) => {
  expect(loraStrength(values, 'x')).toEqual(strength);
});

it('writes what it reads', () => {
  for (const values of [['0.8'], ['0.8', '0.5'], ['1', `lbw=${BLOCK_PRESETS.OUTD.join(',')}`]]) {
    expect(loraTag('a', loraStrength(values, 'x'))).toBe(`<lora:a:${values.join(':')}>`);
  }
  expect(loraTag('a', {})).toBe('<lora:a:1>');
});

// The extension's own lists, as its file has them.
const EXTENSION_17 =
  'BASE,IN01,IN02,IN04,IN05,IN07,IN08,M00,OUT03,OUT04,OUT05,OUT06,OUT07,OUT08,OUT09,OUT10,OUT11';
const EXTENSION_26 =
  'BASE,IN00,IN01,IN02,IN03,IN04,IN05,IN06,IN07,IN08,IN09,IN10,IN11,M00,OUT00,OUT01,OUT02,OUT03,OUT04,OUT05,OUT06,OUT07,OUT08,OUT09,OUT10,OUT11';
const EXTENSION_PRESETS: Readonly<Record<string, string>> = {
  NONE: '0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0',
  ALL: '1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1',
  INS: '1,1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0',
  IND: '1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0',
  INALL: '1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0',
  MIDD: '1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0',
  OUTD: '1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0',
  OUTS: '1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1',
  OUTALL: '1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1',
  'ALL0.5': '0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5',
};

describe("blocks of the web UI's extension", () => {
  it('have its names and order', () => {
    expect(ATTENTION_BLOCKS.join(',')).toBe(EXTENSION_17);
    expect(BLOCKS.join(',')).toBe(EXTENSION_26);
  });

  it('have its presets', () => {
    const ours = Object.entries(BLOCK_PRESETS).map(([name, weights]) => [name, weights.join(',')]);
    expect(Object.fromEntries(ours)).toEqual(EXTENSION_PRESETS);
  });

  it('are 0 where a list of 17 does not name them', () => {
    const all = allBlocks(BLOCK_PRESETS.ALL) ?? [];
    const off = BLOCKS.filter((_, i) => all[i] === 0);
    expect(off.join(',')).toBe('IN00,IN03,IN06,IN09,IN10,IN11,OUT00,OUT01,OUT02');
  });

  it.each([
    ['unet', 'input_blocks.0.0', 'IN00'],
    ['unet', 'input_blocks.1.1.transformer_blocks.0.attn1.to_q', 'IN01'],
    ['unet', 'input_blocks.3.0.op', 'IN03'],
    ['unet', 'input_blocks.11.0.in_layers.2', 'IN11'],
    ['unet', 'middle_block.1.proj_in', 'M00'],
    ['unet', 'middle_block.2.out_layers.3', 'M00'],
    ['unet', 'output_blocks.0.0.in_layers.2', 'OUT00'],
    ['unet', 'output_blocks.5.2.conv', 'OUT05'],
    ['unet', 'output_blocks.11.1.proj_out', 'OUT11'],
    ['unet', 'time_embed.0', undefined],
    ['unet', 'out.2', undefined],
    ['text_encoder', 'text_model.encoder.layers.3.mlp.fc1', 'BASE'],
    ['text_encoder', 'encoder.layers.3.mlp.fc1', 'BASE'],
    ['text_encoder', 'text_model.embeddings.token_embedding', undefined],
  ] as const)('hold the modules that it gives them: %s %s', (network, path, block) => {
    expect(blockOf(network, path)).toBe(block);
  });
});

describe('what is refused', () => {
  it.each<[string[], RegExp]>([
    [['abc'], /^x: the weight of a LoRA is a number, got abc$/],
    [[' '], /^x: the weight of a LoRA is a number, got nothing$/],
    [['Infinity'], /is a number, got Infinity/],
    [['te='], /is a number, got nothing/],
    // A weight that another takes the place of is read all the same.
    [['abc', 'te=1', 'unet=1'], /is a number, got abc/],
    [['1', '2', '3'], /^x: too many weights; one, or two/],
    [['start=0.5'], /^x: start= is not supported: a LoRA that begins on the way$/],
    [['xyz=0.5'], /^x: unknown xyz=; te, unet and lbw are supported$/],
    [['toString=1'], /^x: unknown toString=/],
    [['lbw=FOO'], /^x: unknown preset lbw=FOO; choose one of NONE, ALL, /],
    [['lbw='], /^x: unknown preset lbw=;/],
    [['lbw=1,R,0'], /^x: lbw takes numbers, got R \(R, U and X are not supported\)$/],
    [['lbw=1,a,0'], /^x: lbw takes numbers, got a$/],
    [['lbw=1,,0'], /^x: lbw takes numbers, got nothing$/],
    [['lbw=1,Infinity'], /lbw takes numbers, got Infinity/],
    [['lbw=1,0'], /^x: block weights are 17 numbers \(BASE, IN01, IN02, \.\.\.\) or 26, got 2$/],
    ...[12, 20, 61].map((count): [string[], RegExp] => [
      [`lbw=${Array(count).fill(1)}`],
      new RegExp(`or 26, got ${count}, which are for Stable Diffusion XL or Flux$`),
    ]),
    [[`lbw=${Array(13).fill(1)}`], /got 13$/],
  ])('%j', (values, message) => {
    expect(() => loraStrength(values, 'x')).toThrow(message);
  });

  it('in what the library is given', () => {
    expect(() => checkStrength({})).not.toThrow();
    expect(() =>
      checkStrength({ weight: -2, textEncoderWeight: 0, blockWeights: Array(26).fill(0.5) }),
    ).not.toThrow();
    expect(() => checkStrength({ weight: Number.NaN })).toThrow('LoRA: the weight must be a number, got NaN');
    expect(() => checkStrength({ textEncoderWeight: Number.POSITIVE_INFINITY })).toThrow('got Infinity');
    expect(() => checkStrength({ blockWeights: [1] })).toThrow('LoRA: block weights are 17 numbers');
    const holed = Array<number>(17).fill(1).with(3, Number.NaN);
    expect(() => checkStrength({ blockWeights: holed })).toThrow('block weights are');
  });
});

it('what is not said is not there', () => {
  expect(loraStrength([], 'x')).toStrictEqual({});
  expect(loraStrength(['0.5'], 'x')).toStrictEqual({ weight: 0.5 });
  expect(loraStrength(['0.5', '0.5'], 'x')).toStrictEqual({ weight: 0.5 });
  expect(loraStrength(['0.5', '0.25'], 'x')).toStrictEqual({ weight: 0.25, textEncoderWeight: 0.5 });
  expect(loraStrength(['unet=2'], 'x')).toStrictEqual({ weight: 2, textEncoderWeight: 1 });
  expect(loraStrength(['te=2'], 'x')).toStrictEqual({ weight: 2 });
  expect(loraStrength(['lbw=NONE'], 'x')).toStrictEqual({ blockWeights: Array(17).fill(0) });
});

it('blocks are given for all, or for those with attention', () => {
  const all = BLOCKS.map((_, i) => i);
  expect(allBlocks(all)).toBe(all);
  expect(allBlocks(all.slice(1))).toBeUndefined();
  const short = allBlocks(ATTENTION_BLOCKS.map((_, i) => i + 1));
  expect(short).toEqual([
    1, 0, 2, 3, 0, 4, 5, 0, 6, 7, 0, 0, 0, 8, 0, 0, 0, 9, 10, 11, 12, 13, 14, 15, 16, 17,
  ]);
});
