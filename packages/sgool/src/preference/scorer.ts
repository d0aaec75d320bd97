/** @file Preference models as scorers of images: preprocessing, network, score, and the gradient of the score. */
import { type CompileOptions, grad, type Shape, type Tensor, trace } from '@sgool/autodiff';
import type { Image } from '../image/image.ts';
import { layoutFor } from '../networks/network-weights.ts';
import { compileNetwork, type NetworkProgram } from '../runtime/network-program.ts';
import { imageGradient, imageView, type Preprocessing, seenPlanes } from './image-view.ts';
import type { ScorerName } from './scorer-names.ts';

/** Encodings of a prompt, by the names of a program's inputs. */
export type PromptInputs = Readonly<Record<string, Float32Array | Int32Array>>;

/** How much of a prompt a model reads. */
export interface PromptFit {
  /** Whether the prompt was too long; its first tokens are read. */
  readonly truncated: boolean;
  /** Number of tokens that are read. */
  readonly kept: number;
  /** Number of tokens that are ignored. */
  readonly lost: number;
}

/** A preference model that can be traced into any program. */
export interface PreferenceModel {
  readonly name: ScorerName;
  readonly preprocessing: Preprocessing;
  /** Side of its square input, in pixels. */
  readonly side: number;
  /** Size of its weights in bytes. */
  readonly bytes: number;
  /** Real paths of the files of its weights. */
  readonly files: readonly string[];
  fit(prompt: string): PromptFit;
  readonly promptInputs: Readonly<
    Record<string, { readonly shape: Shape; readonly dtype: 'float32' | 'int32' }>
  >;
  /** @param prompt plain text */
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

/**
 * A preference model that is ready to run. For the scale of its scores see {@link SCORERS}. Its prompts are plain text: brackets are
 * characters, and `parsePrompt(...).text` gives the text of a prompt with weights and tags.
 */
export interface Scorer {
  readonly name: ScorerName;
  /** Real paths of the files of its weights. */
  readonly files: readonly string[];
  /** How much of a prompt is read. */
  fit(prompt: string): PromptFit;
  /** The predicted preference for this image given this prompt, in the authors' scale; more is better. */
  score(image: Image, prompt: string): Promise<number>;
  /**
   * The score and its gradient with respect to the image in [0, 1], `[3, height, width]`. The rounding of the preprocessing
   * is differentiated as the identity. Needs several times the memory of `score`.
   */
  gradient(image: Image, prompt: string): Promise<{ score: number; gradient: Float32Array }>;
  /** Frees the networks. */
  dispose(): Promise<void>;
}

/** A program that is compiled on first use. */
export function lazyProgram(build: () => Promise<NetworkProgram>): {
  get(): Promise<NetworkProgram>;
  dispose(): Promise<void>;
} {
  let program: Promise<NetworkProgram> | undefined;
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

/** Makes a model ready to run; its programs are compiled on first use. */
export function createScorer(model: PreferenceModel, options: CompileOptions = {}): Scorer {
  const { name, side, preprocessing } = model;
  const settings: CompileOptions = { layout: layoutFor(model.bytes), ...options };
  const inputs = {
    planes: { shape: [1, 3, side, side] as Shape, dtype: 'float32' as const },
    ...model.promptInputs,
  };
  const scoring = lazyProgram(async () =>
    compileNetwork(
      name,
      trace(inputs, ({ planes, ...prompt }) => ({ score: model.score(planes, prompt) })),
      settings,
    ),
  );
  const slope = lazyProgram(async () =>
    compileNetwork(
      `${name} gradient`,
      trace(inputs, ({ planes, ...prompt }) => {
        const score = model.score(planes, prompt);
        return { score, gradient: grad(score, [planes])[0] };
      }),
      settings,
    ),
  );

  async function run(program: Promise<NetworkProgram>, image: Image, prompt: string) {
    const view = imageView(preprocessing, image, side);
    const results = await (await program).run({
      planes: seenPlanes(image, view),
      ...(await model.encode(prompt)),
    });
    return { view, score: (results.score as Float32Array)[0], gradient: results.gradient as Float32Array };
  }

  return {
    name,
    files: model.files,
    fit: model.fit,
    score: async (image, prompt) => (await run(scoring.get(), image, prompt)).score,
    async gradient(image, prompt) {
      const { view, score, gradient } = await run(slope.get(), image, prompt);
      return { score, gradient: imageGradient(gradient, image, view) };
    },
    async dispose() {
      await Promise.all([scoring.dispose(), slope.dispose(), model.dispose()]);
    },
  };
}
