/** @file Evaluations whose truth is known, without any network: files as a run would leave them. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodePng } from '../image/png.ts';
import { cellForJson } from './cells/cell.ts';
import type { CellRecord } from './cells/cell-record.ts';
import { MANIFEST_FORMAT, type Manifest } from './cells/manifest.ts';
import { planCells } from './cells/plan.ts';
import { cellPaths, EVALUATION_FILES, readEvaluation } from './cells/run-folder.ts';
import { mulberry32 } from './mulberry32.ts';

export interface FakeMethod {
  readonly label: string;
  /** By how much its `judge` is above that of the reference, on average. */
  readonly gain: number;
  /** Network calls: forward, and as many backward. */
  readonly calls: number;
}

const METHODS: readonly FakeMethod[] = [
  { label: 'sd', gain: 0, calls: 10 },
  { label: 'best-of', gain: 0.05, calls: 600 },
  { label: 'sgool', gain: 0.1, calls: 200 },
];
const CATEGORIES = ['Colors', 'Counting', 'Positional'];

export interface FakeOptions {
  readonly methods?: readonly FakeMethod[];
  readonly prompts?: number;
  readonly seeds?: number;
  /** Side of the images in pixels. */
  readonly side?: number;
  /** Ids of prompts whose cells under the last method failed. */
  readonly failed?: readonly string[];
}

/** Writes an evaluation whose scores are drawn around known gains, and reads it. */
export async function fakeEvaluation(folder: string, options: FakeOptions = {}) {
  const { methods = METHODS, prompts = 12, seeds = 2, side = 16, failed = [] } = options;
  const texts = Array.from({ length: prompts }, (_, i) => `a fake prompt <${i + 1}> & its "picture"`);
  const manifest: Manifest = {
    format: MANIFEST_FORMAT,
    created: '2026-01-02T03:04:05.000Z',
    command: 'sgool evaluate --suite fake',
    model: { name: 'toybox', hash: 'f'.repeat(64) },
    device: 'cpu',
    precision: 'float32',
    methods: methods.map(({ label }) => ({
      label,
      method: label,
      request: {},
      settings: { steps: 10, label },
      guides: label === 'sgool' ? ['clip_a'] : [],
      selects: label === 'sd' ? [] : ['clip_a'],
    })),
    reference: methods[0].label,
    suites: [
      {
        name: 'fake',
        title: 'A fake suite',
        sha256: '0'.repeat(64),
        origin: 'made for tests',
        defects: ['line 3 differs from the original list'],
        prompts: texts.map((text, i) => ({ id: String(i + 1), text, category: CATEGORIES[i % 3] })),
      },
    ],
    seeds: Array.from({ length: seeds }, (_, i) => i),
    scores: [
      { ...score('clip_a', 'CLIP A', 2), tie: 0.1 },
      { ...score('clip_b', 'CLIP B', 2), tie: 0.1 },
      { ...score('judge', 'judge', 3), tie: 0.01 },
      { ...score('hps-v2.1', 'HPS v2.1', 4), isAveraged: false },
    ],
    versions: { sgool: '0.1.0', node: '20.20.2' },
  };
  const uniform = mulberry32(7);
  // By prompt and seed, so that methods are compared pair by pair.
  const luck = new Map<string, number>();
  for (const { id, cell, label, prompt, seed } of planCells(manifest)) {
    const key = `${prompt} ${seed}`;
    const base = luck.get(key) ?? uniform();
    luck.set(key, base);
    const method = methods.find((one) => one.label === label) ?? methods[0];
    const judge = 0.4 + 0.3 * base + method.gain + 0.1 * (uniform() - 0.5);
    const common = {
      format: 1 as const,
      id,
      cell: cellForJson(cell),
      machine: 'fake',
      finished: manifest.created,
    };
    const shade = Math.round(255 * base);
    const pixels = Uint8Array.from({ length: side * side * 3 }, (_, i) =>
      i % 3 === methods.indexOf(method) % 3 ? 255 - shade : shade,
    );
    const png = encodePng({ width: side, height: side, data: pixels });
    const isFailed = label === methods.at(-1)?.label && failed.includes(prompt);
    const record = isFailed
      ? {
          ...common,
          status: 'failed',
          error: 'unet: the noise prediction is not finite',
          retry: false,
          attempts: 1,
        }
      : {
          ...common,
          status: 'done',
          noiseTests: { norm: method.gain, patches: 4 * base },
          image: { sha256: createHash('sha256').update(png).digest('hex'), width: side, height: side },
          noise: createHash('sha256').update(key).digest('hex'),
          iteration: label === 'sd' ? 0 : 3,
          iterations: label === 'sd' ? 0 : 4,
          cost: {
            forward: method.calls,
            pullback: label === 'sgool' ? method.calls : 0,
            flops: method.calls * 1e9,
            seconds: method.calls / 20,
          },
          scores: {
            clip_a: 30 + 10 * judge,
            clip_b: 30 + 8 * judge + uniform(),
            judge,
            'hps-v2.1': 0.25 + 0.02 * judge,
          },
          features: {
            clip_b: base64Of(featuresAt(FAKE_ANGLE * Number(seed) * (label === 'sgool' ? 0.5 : 1))),
          },
          ...(label === 'sgool'
            ? {
                curve: [0, 1, 2, 3, 4].map((iteration) => ({
                  iteration,
                  scores: {
                    clip_a: 33 + iteration,
                    judge: judge - method.gain + (method.gain * Math.min(iteration, 3)) / 3,
                  },
                })),
                regions: [{ left: 2, top: 2, width: side / 2, height: side / 2, mass: 1 }],
              }
            : {}),
        };
    const paths = cellPaths(folder, id);
    await mkdir(dirname(paths.record), { recursive: true });
    await writeFile(
      paths.record,
      JSON.stringify(record satisfies Record<keyof CellRecord | string, unknown>),
    );
    if (!isFailed) await writeFile(paths.image, png);
  }
  await writeFile(join(folder, EVALUATION_FILES.manifest), JSON.stringify(manifest));
  return readEvaluation(folder);
}

/** Angle between the features of two neighbouring seeds, in radians; half of it under `sgool`. */
export const FAKE_ANGLE = 0.8;

const featuresAt = (angle: number) => Float32Array.of(Math.cos(angle), Math.sin(angle));
const base64Of = (values: Float32Array) => Buffer.from(values.buffer).toString('base64');

function score(name: string, title: string, digits: number) {
  return { name, title, scale: 'made for tests', digits, higherIsBetter: true, isAveraged: true, tie: 0 };
}
