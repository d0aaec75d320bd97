import { compile, exp, grad, matmul, mul, sum, trace, transposeLast } from '@sgool/autodiff';
import { expect, it } from 'vitest';
import { compareWithFixture, openFixture, relativeError } from '../testing.ts';
import { clip } from './clip.ts';
import { clipConfig } from './clip-config.ts';

it('embeds images and texts, and sends gradients to pixels, as CLIPModel does', async () => {
  const fixture = await openFixture('clip');
  const errors = await compareWithFixture(fixture, {
    inputs: ['pixels', 'ids', 'position'],
    network({ pixels, ids, position }, weights) {
      const model = clip(clipConfig(fixture.config), weights);
      const imageEmbedding = model.image(pixels).embedding;
      const textEmbedding = model.text(ids, position).embedding;
      const logits = mul(matmul(imageEmbedding, transposeLast(textEmbedding)), exp(model.logitScale()));
      return { imageEmbedding, textEmbedding, logits };
    },
  });
  expect(Object.keys(errors)).toContain('gradient:pixels');
  for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(1e-5);
});

it('gives the activation of Grad-CAM and lets the similarity be differentiated with respect to it', async () => {
  const fixture = await openFixture('clip');
  const specs = {
    pixels: { shape: fixture.shape('pixels') },
    ids: { shape: fixture.shape('ids'), dtype: 'int32' },
    position: { shape: fixture.shape('position'), dtype: 'int32' },
  } as const;
  const graph = trace(specs, ({ pixels, ids, position }) => {
    const model = clip(clipConfig(fixture.config), fixture.weights);
    const { embedding, normalisedInputs } = model.image(pixels);
    const lastLayerTokens = normalisedInputs[normalisedInputs.length - 1];
    const similarity = sum(mul(embedding, model.text(ids, position).embedding));
    const [activationGradient] = grad(similarity, [lastLayerTokens]);
    return { activation: lastLayerTokens, activationGradient: activationGradient };
  });
  const program = await compile(graph);
  const feeds: Record<string, Float32Array | Int32Array> = {};
  for (const name of Object.keys(specs)) feeds[name] = await fixture.array(name);
  const results = await program.run(feeds);
  await program.dispose();
  for (const name of ['activation', 'activationGradient']) {
    const error = relativeError(results[name] as Float32Array, await fixture.array(name));
    expect(error, name).toBeLessThan(1e-5);
  }
});
