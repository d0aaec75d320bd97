import { describe, expect, it } from 'vitest';
import { stableDiffusionSchedule } from './schedule.ts';

const betas = { beta_start: 0.00085, beta_end: 0.012, beta_schedule: 'scaled_linear' };
const open = (schedulerConfig: Record<string, unknown>, modelIndex = {}) =>
  stableDiffusionSchedule({ dir: '/models/toy', modelIndex, schedulerConfig });

describe('the schedule of a Stable Diffusion folder', () => {
  it('without a file is that of Stable Diffusion, and says so', () => {
    const { schedule, sampler, notes } = open({});
    const published = open({
      _class_name: 'DDIMScheduler',
      ...betas,
      set_alpha_to_one: false,
      steps_offset: 1,
    });
    expect(schedule.alphasCumprod).toEqual(published.schedule.alphasCumprod);
    expect(schedule.stops(50)).toEqual(published.schedule.stops(50));
    expect(sampler).toBe('ddim');
    expect(notes).toEqual([
      "/models/toy has no scheduler/scheduler_config.json: Stable Diffusion's own noise schedule is used, for a network that predicts noise (prediction_type epsilon)",
    ]);
    expect(published.notes).toEqual([]);
  });

  it('has the offset 1, as its pipeline sets it', () => {
    for (const [offset, notes] of [
      [undefined, []],
      [1, []],
      [0, ['scheduler: steps_offset 0 is taken as 1, as the pipeline of Stable Diffusion does']],
    ] as const) {
      const found = open({ _class_name: 'PNDMScheduler', ...betas, steps_offset: offset });
      expect(found.schedule.timesteps(50).at(-1)).toBe(1);
      expect(found.notes).toEqual(notes);
    }
    // With other spacings the offset changes nothing.
    expect(open({ _class_name: 'EulerDiscreteScheduler', ...betas, steps_offset: 0 }).notes).toEqual([]);
  });

  it('names the sampler of its scheduler', () => {
    expect(open({ _class_name: 'UniPCMultistepScheduler', ...betas }).sampler).toBe('unipc');
    const { sampler, unsupportedSampler } = open({ _class_name: 'DEISMultistepScheduler', ...betas });
    expect(sampler).toBeUndefined();
    expect(unsupportedSampler).toBe(
      "the model's scheduler, DEISMultistepScheduler, has no sampler here; dpm-solver comes nearest",
    );
    expect(() => open({ _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3 })).toThrow(
      '"FlowMatchEulerDiscreteScheduler" is not a scheduler of Stable Diffusion 1.x and 2.x',
    );
  });

  it('says where model_index.json names another scheduler', () => {
    const config = { _class_name: 'PNDMScheduler', ...betas, steps_offset: 1 };
    expect(open(config, { scheduler: ['diffusers', 'DDIMScheduler'] }).notes).toEqual([
      'scheduler: model_index.json names DDIMScheduler, scheduler_config.json PNDMScheduler; the latter is taken',
    ]);
    expect(open(config, { scheduler: ['diffusers', 'PNDMScheduler'] }).notes).toEqual([]);
  });

  it('says which keys are not read', () => {
    expect(open({ ...betas, steps_offset: 1, beta_stop: 3 }).notes).toEqual([
      'scheduler: beta_stop: no sampler reads that',
    ]);
    const { samplerNotes } = open({
      _class_name: 'DPMSolverMultistepScheduler',
      ...betas,
      use_karras_sigmas: true,
      solver_order: 2,
    });
    expect(samplerNotes?.('dpm-solver')).toEqual([]);
    expect(samplerNotes?.('edict')).toEqual([
      'scheduler: use_karras_sigmas of DPMSolverMultistepScheduler: the sampler edict does not read that',
    ]);
  });
});
