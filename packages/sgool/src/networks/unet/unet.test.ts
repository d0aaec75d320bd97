import { expect, it } from 'vitest';
import { compareWithFixture, openFixture } from '../testing.ts';
import { unet } from './unet.ts';
import { unetConfig } from './unet-config.ts';

it.each([
  { name: 'unet-conv', layout: 'fast', checkpointBlocks: false },
  { name: 'unet-conv', layout: 'lean', checkpointBlocks: true },
  { name: 'unet-linear', layout: 'fast', checkpointBlocks: false },
  { name: 'unet-sd1', layout: 'fast', checkpointBlocks: false },
  { name: 'unet-odd', layout: 'fast', checkpointBlocks: false },
  { name: 'unet-odd', layout: 'lean', checkpointBlocks: true },
  { name: 'unet-odd-unpadded', layout: 'fast', checkpointBlocks: false },
] as const)(
  '$name ($layout, checkpoints $checkpointBlocks): predicts and differentiates as diffusers does',
  async ({ name, layout, checkpointBlocks }) => {
    const fixture = await openFixture(name);
    const errors = await compareWithFixture(fixture, {
      layout,
      // A frozen weight is cast again inside a recomputed block, so there is no single tensor to test.
      parameters: !checkpointBlocks,
      inputs: ['sample', 'timestep', 'context'],
      network: ({ sample, timestep, context }, weights) => ({
        prediction: unet(unetConfig(fixture.config), weights, { checkpointBlocks })({
          sample: sample,
          timestep: timestep,
          context: context,
        }),
      }),
    });
    for (const [key, error] of Object.entries(errors)) expect(error, key).toBeLessThan(3e-5);
    expect(errors).toHaveProperty(['gradient:sample']);
    expect(errors).toHaveProperty(['gradient:context']);
  },
);
