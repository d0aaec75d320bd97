/** @file Cells that cost nothing: a runner whose methods draw their images without any network. */
import type { Image } from '../../image/image.ts';
import { shownFrames } from '../../methods/run/frames.ts';
import type { Iteration } from '../../methods/run/iteration.ts';
import type { Method } from '../../methods/run/method.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { readSeed } from '../../random/seed.ts';
import { centreDetector } from '../../saliency/simple-detectors.ts';
import { mulberry32 } from '../mulberry32.ts';
import type { ImageScorer, ScoredImage, ScoreValues } from '../scores/image-scorer.ts';
import { MANIFEST_FORMAT, type Manifest } from './manifest.ts';
import type { CellRunner } from './run-cell.ts';

const SIDE = 16;

/** An evaluation of the methods of {@link fakeRunner}: `prompts` prompts, the first of which has clauses. */
export function fakeManifest({ prompts = 2, seeds = 1, scores = ['fake'] } = {}): Manifest {
  return {
    format: MANIFEST_FORMAT,
    created: '2026-01-02T03:04:05.000Z',
    command: 'sgool evaluate --suite fake',
    model: { name: 'toybox', hash: 'f'.repeat(64) },
    device: 'cpu',
    precision: 'float32',
    methods: ['sd', 'sgool'].map((label) => ({
      label,
      method: label,
      request: {},
      settings: { steps: 10 },
      guides: label === 'sgool' ? ['clip_a'] : [],
      selects: label === 'sgool' ? ['clip_a'] : [],
    })),
    reference: 'sd',
    suites: [
      {
        name: 'fake',
        title: 'A fake suite',
        sha256: '0'.repeat(64),
        origin: 'made for tests',
        defects: [],
        prompts: Array.from({ length: prompts }, (_, i) => ({
          id: String(i + 1),
          text: `prompt ${i + 1}`,
          ...(i === 0 ? { readings: [[{ claim: 'present' as const, kind: 'cat' as const }]] } : {}),
        })),
      },
    ],
    seeds: Array.from({ length: seeds }, (_, i) => i),
    scores: scores.map(fakeInfo),
    versions: {},
  };
}

export function fakeInfo(name: string) {
  return { name, title: name, scale: 'made', digits: 3, higherIsBetter: true, isAveraged: true, tie: 0 };
}

/** A scorer of that name. Default score: the mean of the image's red, in [0, 1]. */
export function fakeScorer(
  name: string,
  score: (scored: ScoredImage) => ScoreValues | Promise<ScoreValues> = ({ image }) => ({
    [name]: redness(image),
  }),
  more: Partial<ImageScorer> = {},
): ImageScorer {
  return {
    infos: [fakeInfo(name)],
    score: async (scored) => score(scored),
    fits: () => ({}),
    dispose: async () => {},
    ...more,
  };
}

export const redness = ({ data, width, height }: Image): number => {
  let sum = 0;
  for (let i = 0; i < data.length; i += 3) sum += data[i];
  return sum / (255 * width * height);
};

export interface FakeRunnerOptions {
  readonly scorers?: readonly ImageScorer[];
  /** Called with the prompt before each iteration; may throw or wait. */
  readonly before?: (prompt: string, method: string, iteration: number) => void | Promise<void>;
  /** Frames of clips, which are made instead of images: each of another colour. */
  readonly frames?: number;
}

/** `sd` yields one image, `sgool` four of which the third is the best. Images depend on method, prompt, seed and iteration. */
export function fakeRunner({
  scorers = [fakeScorer('fake')],
  before,
  frames: count = 1,
}: FakeRunnerOptions = {}): CellRunner {
  const meter = { flops: 0, compileSeconds: 0, forgetResults() {} };
  const model = {
    name: 'toybox',
    dir: 'nowhere',
    width: SIDE,
    height: SIDE,
    has: { clip: false, transalnet: false },
    hint: {},
  };
  const pipeline: Pick<Pipeline, 'detector' | 'meter'> & { model: typeof model } = {
    model,
    meter,
    detector: async () => centreDetector(),
  };
  const method = (name: string, last: number): Pick<Method, 'run'> => ({
    async *run(_pipeline, request, { signal, onStep } = {}) {
      const seed = readSeed(request.seed) ?? 0;
      for (let iteration = 0; iteration <= last; iteration++) {
        onStep?.({ iteration, iterations: last, phase: 'denoise', step: 1, steps: 1 });
        await before?.(request.prompt, name, iteration);
        signal?.throwIfAborted();
        meter.flops += 1000;
        meter.compileSeconds += iteration === 0 ? 2 : 0;
        const frames = Array.from({ length: count }, (_, f) =>
          drawn(`${name} ${request.prompt} ${seed} ${iteration}${f === 0 ? '' : ` ${f}`}`),
        );
        yield {
          iteration,
          iterations: last,
          latent: Float64Array.of(Number(seed), 1),
          ...shownFrames(frames, { fps: 12 }),
          clip: { A: iteration === 0 ? -1 : 20 + iteration, B: 10 },
          evaluations: { forward: 10 * (iteration + 1), pullback: 5 * iteration },
          seconds: { iteration: 1, total: 2 + iteration + 1 },
          best: iteration < 3,
          seed,
        } satisfies Iteration;
      }
    },
  });
  return {
    pipeline: pipeline as unknown as Pipeline,
    methods: { sd: method('sd', 0) as Method, sgool: method('sgool', 3) as Method },
    scorers,
    machine: 'fake',
    now: () => new Date('2026-01-02T03:04:05Z'),
  };
}

function drawn(text: string): Image {
  const uniform = mulberry32([...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7));
  const colour = [uniform(), uniform(), uniform()].map((value) => Math.floor(256 * value));
  return {
    width: SIDE,
    height: SIDE,
    data: Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => colour[i % 3]),
  };
}
