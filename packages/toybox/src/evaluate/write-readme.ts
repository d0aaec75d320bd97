/**
 * @file `npm run make:readme -w @sgool/toybox`: puts measured figures into the README of this package.
 *
 * Trainings come from `training/<stage>.json` (the record that a training publishes), thresholds and comparison from
 * `measured/thresholds.json` and `measured/smoke.json` (written by `evaluate:thresholds` and `evaluate:smoke`).
 */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { sizeOf } from '@sgool/autodiff';
import { markdownTable, replaceBetween } from 'sgool/evaluate';
import { openSafetensors } from 'sgool/networks';
import { writeFileAtomic } from 'sgool/node';
import { FLOW_FOLDER, JUDGE_COUNTS_FILE, JUDGE_FILE, MOTION_FOLDER, WEIGHTS_FOLDER } from '../paths.ts';
import type { HistoryEntry } from '../train/checkpoint.ts';
import { runProgram } from './program.ts';
import { type Report, reportText } from './report.ts';
import { type Measurements, THRESHOLD_HEADER, thresholdRows } from './threshold-list.ts';

const packageFile = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** The files with each stage's weights, and the names of its own where others share the file. */
const STAGE_FILES: Readonly<Record<string, { files: readonly string[]; own?: RegExp }>> = {
  autoencoder: { files: [`${WEIGHTS_FOLDER}/vae/diffusion_pytorch_model.safetensors`] },
  decoder: {
    files: [`${WEIGHTS_FOLDER}/vae/diffusion_pytorch_model.safetensors`],
    own: /^(decoder|post_quant_conv)\./,
  },
  clip: { files: [`${WEIGHTS_FOLDER}/clip/model.safetensors`] },
  clip_b: { files: [`${WEIGHTS_FOLDER}/clip_b/model.safetensors`] },
  clip_c: { files: [`${WEIGHTS_FOLDER}/clip_c/model.safetensors`] },
  diffusion: {
    files: [
      `${WEIGHTS_FOLDER}/unet/diffusion_pytorch_model.safetensors`,
      `${WEIGHTS_FOLDER}/text_encoder/model.safetensors`,
    ],
  },
  motion: { files: [`${MOTION_FOLDER}/diffusion_pytorch_model.safetensors`] },
  flow_autoencoder: { files: [`${FLOW_FOLDER}/vae/diffusion_pytorch_model.safetensors`] },
  flow_decoder: { files: [`${FLOW_FOLDER}/vae/diffusion_pytorch_model.safetensors`], own: /^decoder\./ },
  flow: {
    files: [
      `${FLOW_FOLDER}/transformer/diffusion_pytorch_model.safetensors`,
      `${FLOW_FOLDER}/text_encoder/model.safetensors`,
      `${FLOW_FOLDER}/text_encoder_2/model.safetensors`,
    ],
  },
  transalnet: { files: [`${WEIGHTS_FOLDER}/transalnet/model.safetensors`] },
  judge: { files: [JUDGE_FILE] },
  judge_counts: { files: [JUDGE_COUNTS_FILE] },
};

/** What a training publishes beside its curve. */
interface TrainingRecord {
  readonly step: number;
  readonly seconds: number;
  readonly history: readonly HistoryEntry[];
}

/** Undefined where the file does not exist. */
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
      if (!own || own.test(name)) count += sizeOf(shape);
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

/** The markers of a section, which stay. */
const markersOf = (name: string) => [`<!-- ${name} -->`, `<!-- /${name} -->`] as const;

await runProgram('make:readme', async () => {
  const file = packageFile('README.md');
  const thresholds = await readJson<{ measurements: Measurements }>('measured/thresholds.json');
  const smoke = await readJson<Report>('measured/smoke.json');
  const sections = {
    training: await trainingTable(),
    thresholds: markdownTable(THRESHOLD_HEADER, thresholdRows(thresholds?.measurements ?? {})),
    ...(smoke ? { smoke: reportText(smoke) } : {}),
  };
  let readme = await readFile(file, 'utf8');
  for (const [name, text] of Object.entries(sections)) readme = replaceBetween(readme, markersOf(name), text);
  await writeFileAtomic(file, readme);
});
