/**
 * @file An objective of your own optimises the noise: decoder and loss become one program, and DOODL follows its gradient.
 *
 * npx tsx examples/09-own-objective.ts
 */
import assert from 'node:assert/strict';
import { add, compile, div, gradient, mean, mul, trace } from '@sgool/autodiff';
import { listModels, loadPipeline, methods, type Objective } from 'sgool';
import { autoencoder, autoencoderConfig, networkWeights, openModelFolder } from 'sgool/networks';

const pipeline = await loadPipeline('toybox');
const { components } = await openModelFolder(listModels()[0].dir);
const vae = components.get('vae');
assert(vae, 'Toybox has an autoencoder');
const config = autoencoderConfig(vae.config, vae.dir);
const { decode } = autoencoder(config, networkWeights(vae.weights));

// The loss is the mean brightness of the decoded image, from 0 (black) to 1 (white): a darker image is better.
const latentShape = pipeline.latentShape(pipeline.model);
const forward = trace({ latent: { shape: latentShape } }, ({ latent }) => ({
  loss: mean(add(0.5, mul(0.5, decode(div(latent, config.scaling_factor))))),
}));
const program = await compile(gradient(forward, { of: 'loss', wrt: ['latent'], keep: ['loss'] }));
const brightness: Objective = {
  async evaluate(latent, parts) {
    const { loss, 'grad:latent': slope } = await program.run({ latent: Float32Array.from(latent) });
    const total = Number(loss[0]);
    return {
      total,
      losses: parts.map(({ views }) => new Float32Array(views.length).fill(total)),
      gradient: Float64Array.from(slope, Number),
    };
  },
};

const losses: number[] = [];
const request = { prompt: 'a blue house', seed: 4, preset: 'fast', iterations: 3 } as const;
for await (const { loss } of methods.doodl.run({ ...pipeline, objective: async () => brightness }, request)) {
  losses.push(loss?.total ?? Number.NaN);
}
await Promise.all([program.dispose(), pipeline.dispose()]);

console.log(`mean brightness: ${losses.map((loss) => loss.toFixed(3)).join(', ')}`);
assert(losses[3] < losses[0], 'the image must become darker');
