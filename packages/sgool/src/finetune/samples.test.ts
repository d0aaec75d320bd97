import { expect, it } from 'vitest';
import { createSchedule } from '../diffusion/schedule.ts';
import { Generator } from '../random/generator.ts';
import { onePrompt } from './prompts.ts';
import { drawSamples } from './samples.ts';
import { RECIPES } from './settings.ts';

const schedule = createSchedule({ beta_schedule: 'scaled_linear', beta_start: 0.00085, beta_end: 0.012 });
const network = {
  latentScale: 0.18215,
  trainTimesteps: 1000,
  encode: async (text: string) => ({ tokens: 4, width: 1, data: Float32Array.of(text.length) }),
  positions: (_: string, word: string) => (word === 'cat' ? [1] : [2]),
};
const draw = (normWeight: number, seed = 7) =>
  drawSamples(
    network,
    { noisePath: () => schedule },
    onePrompt('cat dog', ['cat', 'dog'], RECIPES.individual),
    { batch: 3, width: 32, height: 32, normWeight },
    new Generator(seed),
    [4, 4, 4],
  );

it('latents are noise of the size of latents, with noise of the timestep: torch.randn twice, then torch.randint', async () => {
  const samples = await draw(0);
  const random = new Generator(7);
  const [clean, noise] = [random.randn([3, 4, 4, 4]), random.randn([3, 4, 4, 4])];
  const timesteps = random.randint(0, 1000, [3]);
  expect(samples.map(({ timestep }) => timestep)).toEqual([...timesteps]);
  for (const [i, { latent }] of samples.entries()) {
    const alpha = schedule.alphasCumprod[timesteps[i]];
    for (const at of [0, 17, 63]) {
      const wanted =
        Math.sqrt(alpha) * 0.18215 * clean[64 * i + at] + Math.sqrt(1 - alpha) * noise[64 * i + at];
      expect(latent[at]).toBeCloseTo(wanted, 5);
    }
  }
});

it('each sample has its prompts; that of one object only where the regulariser reads it', async () => {
  const [plain, regularised] = [await draw(0), await draw(0.5)];
  expect(plain.map(({ text, single }) => [text.data[0], single.tokens])).toEqual([
    [7, 0],
    [7, 0],
    [7, 0],
  ]);
  expect(regularised.map(({ single }) => single.data[0])).toEqual(Array(3).fill('a photo of a cat'.length));
  expect([...plain[0].words]).toEqual([0, 1, 0, 0, 0, 0, 1, 0]);
});
