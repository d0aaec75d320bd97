/** @file How the latent of each denoising step is moved. */
import { z } from 'zod';

/** How the latent of each denoising step is moved while what the network says of it is held. */
export const steeringSettings = {
  steeringSteps: z.int().min(1).max(1000).describe('steps of Adam at each denoising step'),
  steeringRate: z.number().positive().max(100).describe("Adam's learning rate there"),
  steeringStop: z
    .number()
    .positive()
    .max(1)
    .describe('share of the denoising steps at which the latent is moved, from the first one on'),
};
