/** @file One prompt through one method, scored after each iteration together with its cost so far. */

import { type MethodSettings, methods, type Pipeline, parseRequest, settingsOf } from 'sgool';
import { type Judge, judgePrompt } from 'sgool/evaluate';
import type { PromptSpec } from '../world/prompts.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { ResultKey, ResultStore } from './results.ts';
import { READING } from './scoring.ts';
import type { Variant } from './variants.ts';

/** Scores and cost of the image of an iteration. */
export interface TracePoint {
  /** UNet evaluations up to this image; one sample under one conditioning counts one. */
  readonly forward: number;
  readonly pullback: number;
  /** 100 times the cosine; A guides, B only reports. */
  readonly clip: { readonly A?: number; readonly B?: number };
  readonly loss?: number;
  readonly judge: { readonly score: number; readonly correct: boolean };
  /** Wall time since the run began. */
  readonly seconds: number;
}

/** A finished run, iteration by iteration; the first point is the plain image. */
export interface Trace extends ResultKey {
  readonly points: readonly TracePoint[];
}

export interface TraceOptions {
  readonly pipeline: Pipeline;
  readonly judge: Judge;
  /** Hash of the model's weights and the judge's. */
  readonly model: string;
  readonly spec: PromptSpec;
  readonly seed: number;
  readonly variant: Variant;
  /** Finished traces; this one is taken from it, or added. */
  readonly store: ResultStore<Trace>;
  readonly signal?: AbortSignal;
}

/** Runs a variant on a prompt, unless the store already has the trace. */
export async function traceOf(options: TraceOptions): Promise<Trace> {
  const { pipeline, judge, model, spec, seed, variant, store, signal } = options;
  const { method, preset, settings } = variant;
  const request = { prompt: spec.text, method, preset, seed, ...READING, ...settings };
  const resolved = settingsOf<MethodSettings>(methods[method], pipeline, parseRequest(request));
  const key = { prompt: spec.text, method, seed, fingerprint: fingerprintOf(model, resolved) };
  const known = store.find(key);
  if (known) return known;
  const points: TracePoint[] = [];
  for await (const step of methods[method].run(pipeline, request, { signal })) {
    const { score, correct } = judgePrompt(await judge.detect(step.image.data), spec);
    points.push({
      ...step.evaluations,
      clip: step.clip,
      loss: step.loss?.total,
      judge: { score, correct },
      seconds: step.seconds.total,
    });
  }
  const trace = { ...key, points };
  await store.add(trace);
  return trace;
}
