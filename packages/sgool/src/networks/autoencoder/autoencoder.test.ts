import { expect, it } from 'vitest';
import { compareWithFixture, openFixture } from '../testing.ts';
import { autoencoder } from './autoencoder.ts';
import { autoencoderConfig } from './autoencoder-config.ts';

const oldNames = (name: string) =>
  name
    .replace('attentions.0.to_q', 'attentions.0.query')
    .replace('attentions.0.to_k', 'attentions.0.key')
    .replace('attentions.0.to_v', 'attentions.0.value')
    .replace('attentions.0.to_out.0', 'attentions.0.proj_attn');

it.each([
  { what: 'new attention names', rename: (name: string) => name, checkpointBlocks: false },
  { what: 'old attention names', rename: oldNames, checkpointBlocks: false },
  { what: 'recomputed blocks', rename: (name: string) => name, checkpointBlocks: true },
])('encodes, decodes and differentiates as diffusers does: $what', async ({ rename, checkpointBlocks }) => {
  const fixture = await openFixture('autoencoder', { rename });
  const errors = await compareWithFixture(fixture, {
    inputs: ['image', 'latent'],
    network({ image, latent }, weights) {
      const vae = autoencoder(autoencoderConfig(fixture.config), weights, { checkpointBlocks });
      return { ...vae.encode(image), decoded: vae.decode(latent) };
    },
  });
  expect(Object.keys(errors).sort()).toEqual([
    'decoded',
    'gradient:image',
    'gradient:latent',
    'logvar',
    'mean',
  ]);
  for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(1e-5);
});
