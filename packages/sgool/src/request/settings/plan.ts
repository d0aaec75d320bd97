/** @file Which methods follow one another. */
import { z } from 'zod';
import type { SettingsOf } from './shape.ts';

const STAGE = /^\s*[a-z-]+\s*:\s*\d+(\.\d+)?\s*%?\s*$/;

/** Which methods follow one another. */
export const planSettings = {
  plan: z
    .string()
    .refine(
      (text) => text.split(',').every((stage) => STAGE.test(stage)),
      'must be methods with their iterations or their share of the budget, such as "best-of:16, sgool:8" or "best-of:80%, sgool:20%"',
    )
    .describe(
      'methods that follow one another, each from the best noise so far, with their iterations or their share of the budget: "best-of:16, sgool:8", "best-of:80%, sgool:20%" (plan)',
    ),
};

/** @interface */
export type PlanSettings = SettingsOf<typeof planSettings>;
