import { expect, it } from 'vitest';
import {
  OPTIMISER_NAMES,
  OPTIMISER_READS,
  type OptimiserSettings,
  optimiserSettings,
} from '../request/settings/optimiser.ts';
import { createOptimiser } from './index.ts';

const all: OptimiserSettings = {
  optimiser: 'doodl',
  gradScale: 1,
  clipGradient: 1e-3,
  momentum: 0.9,
  nesterov: false,
  clipNorm: 2e-3,
  normWeight: 1e-3,
  temperature: 1e-2,
  learningRate: 0.05,
  perturbation: 1e-2,
  renormalise: true,
};

it('every setting is used by an optimiser', () => {
  const used = new Set<string>(Object.values(OPTIMISER_READS).flat());
  expect([...used, 'optimiser'].sort()).toEqual(Object.keys(optimiserSettings).sort());
});

it.each(OPTIMISER_NAMES)('%s depends on the settings that the table says and on no other', (name) => {
  const latent = Float64Array.of(0.3, -1.2, 0.7, 0.4);
  const gradients = [Float64Array.of(4e-4, -3e-3, 1e-3, 2e-4), Float64Array.of(-9e-4, 2e-3, 5e-4, 1e-3)];
  const moved = (settings: Partial<OptimiserSettings>) => {
    const { renormalise, ...rest } = { ...all, ...settings, optimiser: name };
    const options = { norm: renormalise ? 3 : undefined, noise: () => Float64Array.of(1, -1, 2, 0.5) };
    const optimiser = createOptimiser({ renormalise, ...rest }, options);
    return gradients.reduce<Float64Array>((at, gradient) => optimiser.update(at, gradient, 1), latent);
  };
  expect(createOptimiser({ ...all, optimiser: name }, { noise: () => [] }).name).toBe(name);
  const changes: Required<Omit<OptimiserSettings, 'optimiser'>> = {
    gradScale: 0.5,
    clipGradient: 5e-4,
    momentum: 0.5,
    nesterov: true,
    clipNorm: 1e-3,
    normWeight: 0,
    temperature: 2e-2,
    learningRate: 0.1,
    perturbation: 0,
    renormalise: false,
  };
  for (const key of Object.keys(changes) as (keyof typeof changes & string)[]) {
    const same = moved({ [key]: changes[key] }).every((value, i) => value === moved({})[i]);
    expect(!same, key).toBe((OPTIMISER_READS[name] as readonly string[]).includes(key));
  }
});
