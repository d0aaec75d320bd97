import { expect, it } from 'vitest';
import { refusalOf } from '../testing.ts';
import { autoencoderConfig } from './autoencoder-config.ts';

it('gives missing keys the defaults of diffusers', () => {
  expect(autoencoderConfig({}).scaling_factor).toBe(0.18215);
});

it.each([
  { config: { latent_channels: '4' }, says: /latent_channels .*"4"/ },
  { config: { latents_mean: [0, 0, 0, 0] }, says: /latents_mean is not supported/ },
  { config: [1], says: /^autoencoder config: the file .*\[1\]/ },
])('says in one line what is wrong with $config', ({ config, says }) => {
  expect(refusalOf(autoencoderConfig, config)).toMatch(says);
});
