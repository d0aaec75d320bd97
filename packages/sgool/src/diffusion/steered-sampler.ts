/** @file A sampler whose latent is changed from outside before each step: methods that look at what the network is about to see. */
import { UserError } from '../errors.ts';
import { createSampler, type Sampler, type Stage } from './sampler.ts';

/** The latent that a step goes on with. It gets the latent and the time that the network is about to see. */
export type Steering = (latent: Float64Array, step: number, timestep: number) => Promise<Float64Array>;

/**
 * The sampler with its latent steered where each step first calls the network. What multistep samplers remember of the steps before
 * stays as it is. It has no gradient and no inverse.
 *
 * @throws UserError for a sampler that carries a pair of latents through its steps
 */
export function steeredSampler(sampler: Sampler, steer: Steering): Sampler {
  const { name } = sampler;
  const pair = sampler.initial(new Float64Array(1)).length > 1;
  if (pair)
    throw new UserError(`${name}: its latents cannot be steered, they are a pair; take another sampler`);
  const first = new Map<number, Stage>();
  for (const stage of sampler.stages) {
    if (stage.callsNetwork && !first.has(stage.step)) first.set(stage.step, stage);
  }
  const steered = (stage: Stage): Stage => ({
    step: stage.step,
    timestep: stage.timestep,
    callsNetwork: stage.callsNetwork,
    async run(state, denoiser) {
      if (first.get(stage.step) !== stage) return stage.run(state, denoiser);
      const [latent, ...remembered] = state;
      return stage.run([await steer(latent, stage.step, stage.timestep), ...remembered], denoiser);
    },
    pullback() {
      throw new Error(`${name}: a steered sampler has no gradient`);
    },
  });
  return createSampler({ ...sampler, stages: sampler.stages.map(steered) });
}
