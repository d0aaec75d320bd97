/** @file Runs prompts through methods, one after the other, and stores every finished one. */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import {
  encodePng,
  type MethodName,
  type MethodSettings,
  methods,
  type Pipeline,
  parseRequest,
  type Settings,
  type StepProgress,
  settingsOf,
} from 'sgool';
import type { Judge } from 'sgool/evaluate';
import { writeFileAtomic } from 'sgool/node';
import type { PromptSpec } from '../world/prompts.ts';
import { fingerprintOf } from './fingerprint.ts';
import { openResults, type Result } from './results.ts';
import { generateAndScore, READING } from './scoring.ts';

export interface ComparisonOptions {
  readonly pipeline: Pipeline;
  readonly judge: Judge;
  /** Hash of the model's weights. */
  readonly model: string;
  readonly prompts: readonly PromptSpec[];
  readonly methods: readonly MethodName[];
  /** Prompt i starts from the noise of `seed + i`, the same for every method. */
  readonly seed: number;
  /** Of methods that have iterations. */
  readonly iterations?: number;
  readonly folder: string;
  readonly signal?: AbortSignal;
  readonly onStep?: (method: MethodName, progress: StepProgress) => void;
  /** Called for each prompt when all methods are done with it; `fresh` is how many of them ran just now. */
  readonly onPrompt?: (index: number, results: readonly Result[], fresh: number) => void;
}

export interface ComparisonRun {
  /** By method, in the order of the prompts. */
  readonly results: ReadonlyMap<MethodName, readonly Result[]>;
  /** As resolved; each method has its own. */
  readonly settings: ReadonlyMap<MethodName, MethodSettings>;
}

/** What a request sets beside prompt and seed. */
function overrides(method: MethodName, iterations: number | undefined): Partial<Settings> {
  const hasIterations = Object.hasOwn(methods[method].settings, 'iterations');
  return iterations === undefined || !hasIterations ? {} : { iterations };
}

/** Compares methods. Results that the folder already holds are taken from there. */
export async function runComparison(options: ComparisonOptions): Promise<ComparisonRun> {
  const { pipeline, judge, prompts, seed, iterations, folder, signal } = options;
  const store = await openResults(folder);
  await mkdir(path.join(folder, 'images'), { recursive: true });
  const runs = options.methods.map((method) => {
    const own = overrides(method, iterations);
    const request = parseRequest({ prompt: prompts[0].text, method, ...READING, ...own });
    return { method, own, settings: settingsOf(methods[method], pipeline, request), results: [] as Result[] };
  });
  for (const [index, spec] of prompts.entries()) {
    let fresh = 0;
    const row: Result[] = [];
    for (const { method, own, settings, results } of runs) {
      const fingerprint = fingerprintOf(options.model, settings);
      const key = { prompt: spec.text, method, seed: seed + index, fingerprint };
      let result = store.find(key);
      if (!result) {
        const { image, scores } = await generateAndScore({
          ...{ pipeline, judge, spec, method, signal, seed: key.seed, settings: own },
          onStep: (progress) => options.onStep?.(method, progress),
        });
        const file = `images/${String(key.seed).padStart(4, '0')}-${method}-${fingerprint.slice(0, 6)}.png`;
        await writeFileAtomic(path.join(folder, file), encodePng(image));
        result = { ...key, ...scores, image: file };
        await store.add(result);
        fresh++;
      }
      results.push(result);
      row.push(result);
    }
    options.onPrompt?.(index, row, fresh);
  }
  return {
    results: new Map(runs.map(({ method, results }) => [method, results])),
    settings: new Map(runs.map(({ method, settings }) => [method, settings])),
  };
}
