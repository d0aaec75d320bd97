/** @file The text of an objective as the value of a setting. */
import { z } from 'zod';
import { parseObjective } from '../objective-text.ts';

/** The text of an objective, perhaps an empty one. */
export const scorersText = (shortest: 0 | 1) =>
  z
    .string()
    .min(shortest)
    .max(10_000)
    .superRefine((text, context) => {
      if (text === '') return;
      try {
        parseObjective(text);
      } catch (error) {
        context.addIssue({
          code: 'custom',
          message: (error as Error).message.replace(/^objective: /, 'must be an objective: '),
        });
      }
    });
