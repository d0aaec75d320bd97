/**
 * @file Puts measured figures into the README of this package: `node packages/toybox/dist/evaluate/write-readme.js`.
 *
 * Trainings come from `training/<stage>.json` (the record that a training publishes), floors and comparison from
 * `measured/thresholds.json` and `measured/smoke.json` (what the two evaluations write).
 */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { openSafetensors } from 'sgool/networks';
import { writeFileAtomic } from 'sgool/node';
import { JUDGE_FILE, WEIGHTS_FOLDER } from '../paths.ts';
import type { HistoryEntry } from '../train/checkpoint.ts';
import { runProgram } from './program.ts';
import { type Report, reportText } from './report.ts';
import { markdownTable } from './table.ts';
import { type Measurements, THRESHOLD_HEADER, thresholdRows } from './threshold-list.ts';

const packageFile = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** Where each stage's weights are, and which of them are its own. */
const STAGE_FILES: Readonly<Record<string, { files: readonly string[]; own?: RegExp }>> = {
  autoencoder: { files: [`${WEIGHTS_FOLDER}/vae/diffusion_pytorch_model.safetensors`] },
  decoder: {
    files: [`${WEIGHTS_FOLDER}/vae/diffusion_pytorch_model.safetensors`],
    own: /^(decoder|post_quant_conv)\./,
  },
  clip: { files: [`${WEIGHTS_FOLDER}/clip/model.safetensors`] },
  clip_b: { files: [`${WEIGHTS_FOLDER}/clip_b/model.safetensors`] },
  diffusion: {
    files: [
      `${WEIGHTS_FOLDER}/unet/diffusion_pytorch_model.safetensors`,
      `${WEIGHTS_FOLDER}/text_encoder/model.safetensors`,
    ],
  },
  transalnet: { files: [`${WEIGHTS_FOLDER}/transalnet/model.safetensors`] },
  judge: { files: [JUDGE_FILE] },
};

/** What a training leaves beside its curve. */
interface TrainingRecord {
  readonly step: number;
  readonly seconds: number;
  readonly history: readonly HistoryEntry[];
}

/** What is not there yet is left out. */
async function readJson<T>(name: string): Promise<T | undefined> {
  const text = await readFile(packageFile(name), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

async function countWeights({ files, own }: (typeof STAGE_FILES)[string]): Promise<string> {
  let count = 0;
  for (const file of files) {
    const open = await openSafetensors(file).catch(() => undefined);
    if (!open) return '-';
    for (const [name, { shape }] of open.tensors) {
      if (!own || own.test(name)) count += shape.reduce((product, side) => product * side, 1);
    }
  }
  return `${(count / 1e6).toFixed(2)} M`;
}

async function trainingTable(): Promise<string> {
  const rows: string[][] = [];
  for (const [stage, weights] of Object.entries(STAGE_FILES)) {
    const record = await readJson<TrainingRecord>(`training/${stage}.json`);
    const last = record?.history.at(-1);
    if (!record || !last) continue;
    const figures = Object.entries(last.held).length > 0 ? last.held : last.train;
    const shown = Object.entries(figures).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`);
    rows.push([
      `[${stage}](training/${stage}.svg)`,
      await countWeights(weights),
      String(record.step),
      `${Math.round(record.seconds / 60)} min`,
      shown.join(', '),
    ]);
  }
  return markdownTable(['stage', 'weights', 'steps', 'time', 'last figures'], rows);
}

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->`. */
function replaceSection(readme: string, name: string, content: string): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [start, end] = [readme.indexOf(open), readme.indexOf(close)];
  if (start < 0 || end < start)
    throw new Error(`write-readme: README.md has no section ${open} ... ${close}`);
  return `${readme.slice(0, start + open.length)}\n${content}\n${readme.slice(end)}`;
}

await runProgram('write-readme', async () => {
  const file = packageFile('README.md');
  let readme = await readFile(file, 'utf8');
  readme = replaceSection(readme, 'training', await trainingTable());
  const floors = await readJson<{ floors: Measurements }>('measured/thresholds.json');
  readme = replaceSection(
    readme,
    'floors',
    markdownTable(THRESHOLD_HEADER, thresholdRows(floors?.floors ?? {})),
  );
  const smoke = await readJson<Report>('measured/smoke.json');
  if (smoke) readme = replaceSection(readme, 'smoke', reportText(smoke));
  await writeFileAtomic(file, readme);
});
