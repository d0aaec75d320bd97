/** @file Preference models as scorers of images: preprocessing, network, score, and the gradient of the score. */
import {
  type CompileOptions,
  compile,
  grad,
  type Program,
  type Shape,
  type Tensor,
  trace,
} from '@sgool/autodiff';
import type { Image } from '../image/image.ts';
import { layoutFor } from '../networks/network-weights.ts';
import { type Preprocessing, pictureGradient, pictureView, seenPlanes } from './image-view.ts';
import type { ScorerName } from './scorer-names.ts';

/** What a program is told of a prompt, by the names of its inputs. */
export type PromptInputs = Readonly<Record<string, Float32Array | Int32Array>>;

/** How much of a prompt counts. */
export interface PromptFit {
  /** True when the prompt was too long; its first tokens count. */
  readonly truncated: boolean;
  /** Tokens that count. */
  readonly kept: number;
  /** Tokens that are left out. */
  readonly lost: number;
}

/** A preference model that can be traced into any program. */
export interface PreferenceModel {
  readonly name: ScorerName;
  readonly preprocessing: Preprocessing;
  /** Side of the square that its network sees, in pixels. */
  readonly side: number;
  /** Bytes of its weights. */
  readonly bytes: number;
  fit(prompt: string): PromptFit;
  readonly promptInputs: Readonly<
    Record<string, { readonly shape: Shape; readonly dtype: 'float32' | 'int32' }>
  >;
  encode(prompt: string): Promise<PromptInputs>;
  /**
   * The score, a scalar.
   *
   * @param planes [1, 3, side, side] in [0, 1], after the preprocessing
   * @param prompt what `encode` gave, as inputs of the program
   */
  score(planes: Tensor, prompt: Readonly<Record<string, Tensor>>): Tensor;
  dispose(): Promise<void>;
}

/** A preference model that is ready to run. Scales: see {@link SCORERS}. */
export interface Scorer {
  readonly name: ScorerName;
  /** What of a prompt is lost because it is too long. */
  fit(prompt: string): PromptFit;
  /** How well people would like the image for this prompt, in the authors' scale. */
  score(image: Image, prompt: string): Promise<number>;
  /**
   * The score and its gradient with respect to the image in [0, 1], `[3, height, width]`; the rounding of the
   * preprocessing counts as the identity. Needs several times the memory of `score`.
   */
  gradient(image: Image, prompt: string): Promise<{ score: number; gradient: Float32Array }>;
  /** Frees the networks. */
  dispose(): Promise<void>;
}

/** A program that is compiled when it is first asked for. */
export function lazyProgram(build: () => Promise<Program>): {
  get(): Promise<Program>;
  dispose(): Promise<void>;
} {
  let program: Promise<Program> | undefined;
  return {
    get() {
      if (program === undefined) {
        program = build();
        program.catch(() => {
          program = undefined;
        });
      }
      return program;
    },
    async dispose() {
      await (await program?.catch(() => undefined))?.dispose();
    },
  };
}

/** Makes a model ready to run; its programs are compiled when they are first needed. */
export function createScorer(model: PreferenceModel, options: CompileOptions = {}): Scorer {
  const { name, side, preprocessing } = model;
  const settings: CompileOptions = { layout: layoutFor(model.bytes), ...options };
  const inputs = {
    planes: { shape: [1, 3, side, side] as Shape, dtype: 'float32' as const },
    ...model.promptInputs,
  };
  const scoring = lazyProgram(async () =>
    compile(
      trace(inputs, ({ planes, ...prompt }) => ({ score: model.score(planes, prompt) })),
      settings,
    ),
  );
  const slope = lazyProgram(async () =>
    compile(
      trace(inputs, ({ planes, ...prompt }) => {
        const score = model.score(planes, prompt);
        return { score, gradient: grad(score, [planes])[0] };
      }),
      settings,
    ),
  );

  async function run(program: Promise<Program>, image: Image, prompt: string) {
    const view = pictureView(preprocessing, image, side);
    const results = await (await program).run({
      planes: seenPlanes(image, view),
      ...(await model.encode(prompt)),
    });
    return { view, score: (results.score as Float32Array)[0], gradient: results.gradient as Float32Array };
  }

  return {
    name,
    fit: model.fit,
    score: async (image, prompt) => (await run(scoring.get(), image, prompt)).score,
    async gradient(image, prompt) {
      const { view, score, gradient } = await run(slope.get(), image, prompt);
      return { score, gradient: pictureGradient(gradient, image, view) };
    },
    async dispose() {
      await Promise.all([scoring.dispose(), slope.dispose(), model.dispose()]);
    },
  };
}
