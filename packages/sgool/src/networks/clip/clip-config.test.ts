import { expect, it } from 'vitest';
import { refusalOf } from '../testing.ts';
import { clipTextConfig } from '../text/text-encoder-config.ts';
import { clipConfig } from './clip-config.ts';

it('gives missing keys the defaults of transformers', () => {
  expect(clipTextConfig({}).hidden_act).toBe('quick_gelu');
});

it('prefers the old text_config_dict, and takes null for absent', () => {
  const config = clipConfig({
    text_config: { hidden_size: 512 },
    text_config_dict: { hidden_size: 768, num_attention_heads: 12 },
    vision_config_dict: null,
  });
  expect(config.text_config.hidden_size).toBe(768);
  expect(config.vision_config.patch_size).toBe(32);
});

it.each([
  { config: { vision_config: { patch_size: 0 } }, says: /vision_config\.patch_size .*got 0/ },
  { config: null, says: /^clip config: the file .*null/ },
  { config: { text_config: 'big' }, says: /text_config .*"big"/ },
])('says in one line what is wrong with $config', ({ config, says }) => {
  expect(refusalOf(clipConfig, config)).toMatch(says);
});
