import { expect, it } from 'vitest';
import type { Denoiser } from '../diffusion/denoiser.ts';
import { denoiserBySteps, promptForSteps } from './prompt-steps.ts';
import type { TextContext } from './text-context.ts';

const TIMESTEPS = [901, 701, 501, 301, 101];
const context = (value: number): TextContext => ({ tokens: 1, width: 1, data: Float32Array.of(value) });

function staged(prompt: string, timesteps: readonly number[] | undefined, first: number) {
  const { stages } = promptForSteps(prompt, 'a1111', timesteps);
  return { stages, contexts: stages.map((_, i) => context(first + i)) };
}

const denoiserOf = (conditional: TextContext, unconditional: TextContext): Denoiser => {
  const seen = Float64Array.of(conditional.data[0], unconditional.data[0]);
  return {
    latentShape: [2],
    predicts: 'noise',
    evaluations: { forward: 0, pullback: 0 },
    predict: async () => seen,
    pullback: async () => seen,
  };
};

it('takes the prompts of the step that a time belongs to', async () => {
  const positive = staged('[a:b:2]', TIMESTEPS, 10);
  const negative = staged('[c|d]', TIMESTEPS, 20);
  const denoiser = denoiserBySteps(positive, negative, TIMESTEPS, denoiserOf);
  const seen: number[][] = [];
  for (const timestep of TIMESTEPS) {
    const prediction = await denoiser.predict(new Float64Array(2), timestep);
    expect(await denoiser.pullback(new Float64Array(2), timestep, new Float64Array(2))).toEqual(prediction);
    seen.push([...prediction]);
  }
  // The first step is 0, and a stage that ends at step 2 has steps 0, 1 and 2, as in the web UI.
  expect(seen).toEqual([
    [10, 20],
    [10, 20],
    [10, 21],
    [11, 22],
    [11, 23],
  ]);
});

it('is one denoiser where nothing changes', () => {
  const [positive, negative] = [staged('a (b)', undefined, 1), staged('', undefined, 2)];
  const made = denoiserOf(context(0), context(0));
  expect(denoiserBySteps(positive, negative, TIMESTEPS, () => made)).toBe(made);
});

it('needs the times of the steps where a prompt changes', () => {
  expect(() => promptForSteps('a [b:c:0.5]', 'a1111', undefined)).toThrow(
    /changes from step to step; give timesteps/,
  );
});
