/** @file How CLIP steers the sampling itself. */
import { z } from 'zod';

/** How CLIP steers the sampling itself. */
export const clipGuidanceSettings = {
  clipGuidanceScale: z.number().min(0).max(1e6).describe('factor on the CLIP loss at each denoising step'),
};
