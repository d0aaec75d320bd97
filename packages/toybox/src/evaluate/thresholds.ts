/**
 * @file `npm run evaluate:thresholds`: measures whether Toybox's parts reach their thresholds, with the committed weights, on
 * scenes and prompts that no training saw.
 */

import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { UserError } from 'sgool';
import { markdownTable } from 'sgool/evaluate';
import { writeFileAtomic } from 'sgool/node';
import { JUDGE_FILE, WEIGHTS_FOLDER } from '../paths.ts';
import { hashFiles } from './fingerprint.ts';
import { namesFrom, runProgram, wholeNumber } from './program.ts';
import { THRESHOLD_HEADER, THRESHOLDS, thresholdRows } from './threshold-list.ts';
import { type Found, MEASURES, PARTS } from './threshold-measures.ts';

const HELP = `Usage: npm run evaluate:thresholds -- [options]

  --only <parts>      ${PARTS.join(', ')}; separated by commas (all)
  --scenes <n>        for autoencoder, judges and TranSalNet (400)
  --questions <n>     for each CLIP (400)
  --prompts <n>       of one thing, and as many of two; for toybox-flow also of counts and relations (100; there are 112 single things)
  --out <file>        JSON; parts that are not measured keep their earlier figures (sgool-output/thresholds.json)
`;

await runProgram('evaluate:thresholds', async (signal) => {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: PARTS.join() },
      scenes: { type: 'string', default: '400' },
      questions: { type: 'string', default: '400' },
      prompts: { type: 'string', default: '100' },
      out: { type: 'string', default: 'sgool-output/thresholds.json' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const parts = namesFrom('--only', values.only, PARTS);
  const counts = {
    scenes: wholeNumber('--scenes', values.scenes, 1),
    questions: wholeNumber('--questions', values.questions, 1),
    prompts: wholeNumber('--prompts', values.prompts, 1),
  };
  const file = path.resolve(values.out);
  await mkdir(path.dirname(file), { recursive: true });
  const measurements = await earlierMeasurements(file);
  for (const part of parts) {
    const started = performance.now();
    process.stderr.write(`${part} ...\n`);
    try {
      Object.assign(measurements, await MEASURES[part](counts, signal));
    } catch (error) {
      // A stage that is not trained yet must not hide the figures of the others.
      if (signal.aborted || !(error instanceof UserError)) throw error;
      process.stderr.write(`${part}: not measured: ${error.message}\n`);
    }
    const record = {
      sha256: await hashFiles(WEIGHTS_FOLDER, JUDGE_FILE),
      date: new Date().toISOString(),
      measurements,
    };
    await writeFileAtomic(file, `${JSON.stringify(record, undefined, 2)}\n`);
    process.stderr.write(`${part}: ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
  }
  process.stdout.write(`${markdownTable(THRESHOLD_HEADER, thresholdRows(measurements))}\n`);
  process.stderr.write(`figures: ${file}\n`);
});

/** The measurements of an earlier run; those of this run replace them one by one. */
async function earlierMeasurements(file: string): Promise<Found> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return {};
  const stored = (JSON.parse(text) as { measurements?: Found }).measurements ?? {};
  return Object.fromEntries(Object.entries(stored).filter(([key]) => key in THRESHOLDS));
}
