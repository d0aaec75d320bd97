/**
 * @file Models that were distilled to make an image in one to four steps, recognised by their files.
 *
 * For them the gradient of an image's score with respect to its noise costs one to four pullbacks instead of fifty, so every
 * method that optimises noise is cheap.
 */
import type { SchedulerConfig } from '../../diffusion/schedule.ts';
import type { UNetConfig } from '../../networks/unet/unet-config.ts';
import type { FewStepSampling } from '../model-info.ts';

/**
 * The sampling of a few-step model; undefined for all other models.
 *
 * - LCM: `LCMScheduler`. Four steps; guidance 8.5 where it is an input of the UNet (`time_cond_proj_dim`), none where the
 *   distilled UNet has no such input.
 * - TCD: `TCDScheduler`. Four steps, no guidance.
 * - SD-Turbo and similar models: Euler's scheduler, plain or ancestral, with trailing timesteps and a network that predicts noise. One
 *   step, no guidance. (Trailing timesteps with velocity are those of zero-terminal-SNR models, which need many steps.)
 *
 * Steps and guidance are those of the published examples for these models.
 *
 * Reference: Luo et al. 2023, "Latent Consistency Models"; Zheng et al. 2024, "Trajectory Consistency Distillation"; Sauer et al. 2023, "Adversarial Diffusion Distillation".
 */
export function fewStepSampling(
  { _class_name, timestep_spacing, prediction_type = 'epsilon' }: SchedulerConfig,
  { time_cond_proj_dim }: Pick<UNetConfig, 'time_cond_proj_dim'>,
): FewStepSampling | undefined {
  if (_class_name === 'LCMScheduler') {
    return { sampler: 'lcm', steps: 4, guidanceScale: time_cond_proj_dim ? 8.5 : 1 };
  }
  if (_class_name === 'TCDScheduler') return { sampler: 'tcd', steps: 4, guidanceScale: 1 };
  if (timestep_spacing !== 'trailing' || prediction_type !== 'epsilon') return undefined;
  if (_class_name === 'EulerDiscreteScheduler') return { sampler: 'euler', steps: 1, guidanceScale: 1 };
  if (_class_name === 'EulerAncestralDiscreteScheduler') {
    return { sampler: 'euler-ancestral', steps: 1, guidanceScale: 1 };
  }
  return undefined;
}
