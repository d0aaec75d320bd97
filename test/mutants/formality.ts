/** @file The test file that vitest is started with; `session.ts` does the work after it. */
import { it } from 'vitest';

it('starts', () => {});
