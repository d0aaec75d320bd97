import { compile, trace } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { imageFromPlanes } from '../image/image.ts';
import { autoencoderConfig } from '../networks/autoencoder/autoencoder-config.ts';
import { openFixture, relativeError } from '../networks/testing.ts';
import { ProgramCache } from '../runtime/program-cache.ts';
import { messageOf } from '../weights/testing.ts';
import { decodedPlanes, decodeLatent, scaleFactorOf } from './decoding.ts';
import { encodeImage } from './encoding.ts';

const fixture = await openFixture('autoencoder');
const scalings = [
  { scaling_factor: 0.18215, shift_factor: null },
  { scaling_factor: 0.3611, shift_factor: 0.1159 }, // those of Flux
  { scaling_factor: 1.5305, shift_factor: -0.0609 },
];

describe.each(scalings)(
  'latents with $scaling_factor and $shift_factor',
  ({ scaling_factor, shift_factor }) => {
    const config = autoencoderConfig({ ...(fixture.config as object), scaling_factor, shift_factor });
    const parts = { config, weights: fixture.weights };
    const shift = shift_factor ?? 0;

    it('are divided by the one and moved by the other before they are decoded, as in diffusers', async () => {
      const shape = fixture.shape('latent');
      const graph = trace({ latent: { shape } }, ({ latent }) => ({ planes: decodedPlanes(parts, latent) }));
      const program = await compile(graph);
      const latent = ((await fixture.array('latent')) as Float32Array).map(
        (x) => (x - shift) * scaling_factor,
      );
      const { planes } = await program.run({ latent });
      const expected = ((await fixture.array('decoded')) as Float32Array).map((x) => x / 2 + 0.5);
      expect(relativeError(planes as Float32Array, expected)).toBeLessThan(1e-5);
      await program.dispose();
    });

    it('are what the encoder gives, moved and multiplied, and decoding undoes it', async () => {
      const programs = new ProgramCache({ device: 'cpu' });
      const side = 4 * scaleFactorOf(config);
      const image = imageFromPlanes(
        Float32Array.from({ length: 3 * side * side }, (_, i) => (i % 97) / 97),
        side,
        side,
      );
      const plain = await encodeImage(
        programs,
        { ...parts, config: { ...config, scaling_factor: 1, shift_factor: null } },
        image,
      );
      await programs.dispose();
      const others = new ProgramCache({ device: 'cpu' });
      const latent = await encodeImage(others, parts, image);
      expect(
        relativeError(
          latent,
          plain.map((x) => (x - shift) * scaling_factor),
        ),
      ).toBeLessThan(1e-5);
      const decoded = await decodeLatent(others, parts, latent, [1, config.latent_channels, 4, 4], image);
      expect(decoded).toMatchObject({ width: side, height: side });
      await others.dispose();
    });
  },
);

it('encodes only images whose sides are multiples of the stride', async () => {
  const config = autoencoderConfig(fixture.config);
  const programs = new ProgramCache({ device: 'cpu' });
  const stride = scaleFactorOf(config);
  expect(stride).toBe(2 ** (config.block_out_channels.length - 1));
  for (const [width, height] of [
    [stride + 1, stride],
    [stride, stride + 1],
  ]) {
    const image = imageFromPlanes(new Float32Array(3 * width * height), width, height);
    const message = await messageOf(encodeImage(programs, { config, weights: fixture.weights }, image));
    expect(message).toContain(`multiples of ${stride}, got ${width} x ${height}`);
  }
  await programs.dispose();
});
