/** @file `npm run make:curves -w @sgool/toybox`: draws `training/<stage>.svg` from the published records, `training/<stage>.json`. */

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomic } from 'sgool/node';
import { TRAINING_FOLDER } from '../paths.ts';
import type { HistoryEntry } from './checkpoint.ts';
import { curveSvg } from './curve.ts';

for (const file of await readdir(TRAINING_FOLDER)) {
  if (!file.endsWith('.json')) continue;
  const stage = path.basename(file, '.json');
  const record = JSON.parse(await readFile(path.join(TRAINING_FOLDER, file), 'utf8'));
  const { history } = record as { history: HistoryEntry[] };
  await writeFileAtomic(path.join(TRAINING_FOLDER, `${stage}.svg`), curveSvg(stage, history));
}
