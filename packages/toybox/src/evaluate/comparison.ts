/** @file Runs prompts through methods, one after the other, and keeps every finished one. */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import {
  encodePng,
  type MethodName,
  methods,
  type Pipeline,
  parseRequest,
  type Settings,
  type StepProgress,
  settingsOf,
} from 'sgool';
import type { Judge } from 'sgool/evaluate';
import { writeFileAtomic } from 'sgool/node';
import type { PromptSpec } from '../world/index.ts';
import { fingerprintOf } from './fingerprint.ts';
import { openResults, type Result } from './results.ts';
import { generateAndScore } from './scoring.ts';

export interface ComparisonOptions {
  readonly pipeline: Pipeline;
  readonly judge: Judge;
  /** Hash of the model's weights. */
  readonly model: string;
  readonly prompts: readonly PromptSpec[];
  readonly methods: readonly MethodName[];
  /** Prompt i starts from the noise of `seed + i`, the same for every method. */
  readonly seed: number;
  /** Of methods that go round; the others have none. */
  readonly iterations?: number;
  readonly folder: string;
  readonly signal?: AbortSignal;
  readonly onStep?: (method: MethodName, progress: StepProgress) => void;
  /** Told of each prompt when all methods are done with it; `fresh` tells how many of them ran just now. */
  readonly onPrompt?: (index: number, results: readonly Result[], fresh: number) => void;
}

export interface ComparisonRun {
  /** By method, in the order of the prompts. */
  readonly results: ReadonlyMap<MethodName, readonly Result[]>;
  readonly settings: ReadonlyMap<MethodName, Settings>;
}

/** What a request says beside prompt and seed. */
function overrides(method: MethodName, iterations: number | undefined): Partial<Settings> {
  const isOneRound = method === 'sd' || method === 'clip-guided';
  return iterations === undefined || isOneRound ? {} : { iterations };
}

/** Compares methods; results that the folder holds already are taken from there. */
export async function runComparison(options: ComparisonOptions): Promise<ComparisonRun> {
  const { pipeline, judge, prompts, seed, iterations, folder, signal } = options;
  const store = await openResults(folder);
  await mkdir(path.join(folder, 'images'), { recursive: true });
  const settings = new Map(
    options.methods.map((method) => {
      const request = { prompt: prompts[0]!.text, method, ...overrides(method, iterations) };
      return [method, settingsOf(methods[method], pipeline, parseRequest(request))] as const;
    }),
  );
  const results = new Map(options.methods.map((method) => [method, [] as Result[]]));
  for (const [index, spec] of prompts.entries()) {
    let fresh = 0;
    for (const method of options.methods) {
      const key = {
        prompt: spec.text,
        method,
        seed: seed + index,
        fingerprint: fingerprintOf(options.model, settings.get(method)!),
      };
      let result = store.find(key);
      if (!result) {
        const { image, scores } = await generateAndScore({
          pipeline,
          judge,
          spec,
          method,
          seed: seed + index,
          settings: overrides(method, iterations),
          signal,
          onStep: (progress) => options.onStep?.(method, progress),
        });
        const file = `images/${String(seed + index).padStart(4, '0')}-${method}-${key.fingerprint.slice(0, 6)}.png`;
        await writeFileAtomic(path.join(folder, file), encodePng(image));
        result = { ...key, ...scores, image: file };
        await store.add(result);
        fresh++;
      }
      results.get(method)!.push(result);
    }
    const row = options.methods.map((method) => results.get(method)!.at(-1)!);
    options.onPrompt?.(index, row, fresh);
  }
  return { results, settings };
}
