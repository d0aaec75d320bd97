import { describe, expect, it } from 'vitest';
import { BLOCK_PRESETS } from '../../weights/names/lora-blocks.ts';
import { loadOptionsOf } from './model-options.ts';

const lorasOf = (lora: string) => loadOptionsOf({ lora }).loras;
const NUMBERS = BLOCK_PRESETS.OUTD.join(',');

describe('--lora', () => {
  it.each([
    ['a.safetensors', [{ path: 'a.safetensors' }]],
    [
      'a.safetensors:0.8, b/:-.5',
      [
        { path: 'a.safetensors', weight: 0.8 },
        { path: 'b/', weight: -0.5 },
      ],
    ],
    ['C:\\loras\\a.safetensors', [{ path: 'C:\\loras\\a.safetensors' }]],
    [
      'C:\\a.safetensors:1:lbw=OUTD',
      [{ path: 'C:\\a.safetensors', weight: 1, blockWeights: BLOCK_PRESETS.OUTD }],
    ],
    ['a:0.8:0.5', [{ path: 'a', weight: 0.5, textEncoderWeight: 0.8 }]],
    ['a:te=0:unet=1', [{ path: 'a', weight: 1, textEncoderWeight: 0 }]],
    [
      `a:0.8:lbw=${NUMBERS},b:0.5`,
      [
        { path: 'a', weight: 0.8, blockWeights: BLOCK_PRESETS.OUTD },
        { path: 'b', weight: 0.5 },
      ],
    ],
    [
      `a:lbw=${NUMBERS}:te=0.5,b`,
      [{ path: 'a', weight: 0.5, blockWeights: BLOCK_PRESETS.OUTD }, { path: 'b' }],
    ],
    ['x=1.safetensors', [{ path: 'x=1.safetensors' }]],
  ])('reads %s', (text, loras) => {
    expect(lorasOf(text)).toEqual(loras);
  });

  it.each([
    ['a:0.8:lbw=1,2,3', /--lora: a:0\.8:lbw=1,2,3: block weights are 17 numbers .* got 3/],
    ['a:1:lbw=FOO', /unknown preset lbw=FOO/],
    ['a:stop=5', /stop= is not supported/],
    ['a:1:2:3', /too many weights/],
    [':0.5', /give file or file:weight/],
  ])('refuses %s', (text, message) => {
    expect(() => lorasOf(text)).toThrow(message);
  });
});
