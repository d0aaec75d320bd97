/** @file The batches of a fine-tuning: prompts, timesteps, and latents that are noise of the right size. */
import type { TrainableNetwork, TrainingText } from '../models/trainable-network.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Generator } from '../random/generator.ts';
import { type TrainingPrompts, wordShares } from './prompts.ts';
import type { FineTuneSettings } from './settings.ts';
import type { TrainingSample } from './trainer.ts';

/** Where the regulariser is off, nothing reads its prompts. */
export const NO_TEXT: TrainingText = { tokens: 0, width: 0, data: new Float32Array() };

/**
 * The batch of a step: prompts, timesteps, and latents `signal·x0 + noise·ε` with x0 and ε of standard normal numbers, x0 in the size
 * of latents.
 */
export async function drawSamples(
  network: Pick<TrainableNetwork, 'latentScale' | 'trainTimesteps' | 'encode' | 'positions'>,
  pipeline: Pick<Pipeline, 'noisePath'>,
  prompts: Pick<TrainingPrompts, 'draw'>,
  { batch, width, height, normWeight }: Pick<FineTuneSettings, 'batch' | 'width' | 'height' | 'normWeight'>,
  generator: Generator,
  latent: readonly number[],
): Promise<TrainingSample[]> {
  const path = pipeline.noisePath({ width, height });
  const drawn = prompts.draw(generator, batch);
  const shape = [batch, ...latent];
  const [clean, noise] = [generator.randn(shape), generator.randn(shape)];
  const timesteps = generator.randint(0, network.trainTimesteps, [batch]);
  const size = clean.length / batch;
  const samples: TrainingSample[] = [];
  for (const [i, prompt] of drawn.entries()) {
    const level = path.level(timesteps[i]);
    const [signal, share] = [network.latentScale * path.signal(level), path.noise(level)];
    const text = await network.encode(prompt.text);
    samples.push({
      latent: clean
        .subarray(i * size, (i + 1) * size)
        .map((value, at) => signal * value + share * noise[i * size + at]),
      timestep: timesteps[i],
      text,
      words: wordShares(network, prompt, text.tokens),
      single: normWeight > 0 ? await network.encode(prompt.single) : NO_TEXT,
    });
  }
  return samples;
}
