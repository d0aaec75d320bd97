/**
 * @file `npm run evaluate:ablation`: the effect of SGOOL's open choices on Toybox. Each variant changes one setting of the
 * model's own defaults; all get the same held-out prompts and noises. The table goes to stdout.
 */

import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadPipeline, type MethodName, type Settings } from 'sgool';
import { loadJudge, markdownTable, mean, percent, signed } from 'sgool/evaluate';
import { writeFileAtomic } from 'sgool/node';
import { promptSet } from '../world/prompt-sets.ts';
import { namesFrom, runProgram, wholeNumber } from './program.ts';
import { generateAndScore, type Scores } from './scoring.ts';

interface Variant {
  readonly method?: MethodName;
  readonly settings?: Partial<Settings>;
}

/** `default` comes first: the others are reported as differences from it. */
const VARIANTS: Readonly<Record<string, Variant>> = {
  default: {},
  plain: { method: 'sd' },
  'best of many seeds': { method: 'best-of' },
  'whole image only': { settings: { lambda: 0 } },
  'the whole prompt for each region': { settings: { regionText: 'prompt' } },
  'lambda 1': { settings: { lambda: 1 } },
  'lambda 0.2': { settings: { lambda: 0.2 } },
  'random cutouts beside the regions': {
    settings: { cutouts: 4, cutSize: 0.75, cutPower: 1, cutReduction: 'mean' },
  },
  'one region': { settings: { maxRegions: 1 } },
  'map drawn once': { settings: { saliencyEvery: 0 } },
  'grad-cam': { settings: { saliency: 'grad-cam' } },
  'quantile threshold': { settings: { thresholdRule: 'quantile', thresholdValue: 0.8 } },
  'straight-through clamp': { settings: { saturatedGradient: 'through' } },
  'half the learning rate': { settings: { learningRate: 0.025 } },
  'twice the learning rate': { settings: { learningRate: 0.1 } },
  'normalised update': { settings: { optimiser: 'normalised', learningRate: 0.1, momentum: 0.7 } },
  'doodl update': { settings: { optimiser: 'doodl' } },
  '20 steps': { settings: { steps: 20 } },
  '40 iterations': { settings: { iterations: 40 } },
};
const NAMES = Object.keys(VARIANTS);

await runProgram('evaluate:ablation', async (signal) => {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '12' },
      variants: { type: 'string', default: NAMES.join(',') },
      seed: { type: 'string', default: '100' },
      out: { type: 'string', default: 'sgool-output/ablation.json' },
    },
  });
  const count = wholeNumber('--count', values.count, 1);
  const seed = wholeNumber('--seed', values.seed, 0);
  const chosen = namesFrom('--variants', values.variants, NAMES);
  const prompts = promptSet('ablation', count);
  const [judge, pipeline] = [await loadJudge(), await loadPipeline('toybox')];
  const scores = new Map<string, Scores[]>();
  try {
    for (const name of chosen) {
      const { method = 'sgool', settings } = VARIANTS[name];
      const list: Scores[] = [];
      for (const [i, spec] of prompts.entries()) {
        const one = { pipeline, judge, spec, method, seed: seed + i, settings, signal };
        list.push((await generateAndScore(one)).scores);
      }
      scores.set(name, list);
      process.stderr.write(`${rowOf(name, list).join('  ')}\n`);
    }
  } finally {
    await pipeline.dispose();
    await judge.dispose();
  }
  await writeFileAtomic(
    path.resolve(values.out),
    `${JSON.stringify(Object.fromEntries(scores), undefined, 1)}\n`,
  );
  const [[, base]] = [...scores];
  const rows = [...scores].map(([name, list]) => [
    ...rowOf(name, list),
    signed(meanOf(list, judgeOf) - meanOf(base, judgeOf), 3),
  ]);
  process.stdout.write(
    `${count} held-out prompts of two things, Toybox, seeds ${seed} to ${seed + count - 1}\n\n`,
  );
  process.stdout.write(
    `${markdownTable(['variant', 'CLIP A', 'CLIP B', 'judge', 'correct', 'seconds', 'judge, difference'], rows)}\n`,
  );
});

function judgeOf({ judge }: Scores): number {
  return judge.score;
}

function meanOf(list: readonly Scores[], pick: (scores: Scores) => number): number {
  return mean(list.map(pick));
}

function rowOf(name: string, list: readonly Scores[]): string[] {
  return [
    name,
    meanOf(list, (m) => m.clip.A ?? Number.NaN).toFixed(2),
    meanOf(list, (m) => m.clip.B ?? Number.NaN).toFixed(2),
    meanOf(list, judgeOf).toFixed(3),
    percent(meanOf(list, (m) => Number(m.judge.correct))),
    meanOf(list, (m) => m.seconds).toFixed(1),
  ];
}
