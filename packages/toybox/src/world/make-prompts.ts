/** @file `npm run make:prompts -w @sgool/toybox`: writes the prompts of the evaluations, with their truth, to `@sgool/toybox-models`. */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomic } from 'sgool/node';
import { PROMPTS_FILE, suiteFile } from '../paths.ts';
import { suiteText } from './draw-suites.ts';
import { flowSuites } from './flow-suites.ts';
import { promptsJson } from './prompt-sets.ts';
import { toyboxSuites } from './suites.ts';

await mkdir(path.dirname(PROMPTS_FILE), { recursive: true });
await writeFileAtomic(PROMPTS_FILE, promptsJson());

for (const [name, prompts] of Object.entries({ ...toyboxSuites(), ...flowSuites() })) {
  await writeFileAtomic(suiteFile(name), suiteText(prompts));
}
