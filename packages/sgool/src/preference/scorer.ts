/** @file Scorers that are networks: preprocessing, network, score, and the gradient of the score. */
import { grad, type Shape, sum, type Tensor, trace } from '@sgool/autodiff';
import type { Image, ImageSize } from '../image/image.ts';
import { layoutFor } from '../networks/network-weights.ts';
import type { ProgramCache, Runnable } from '../runtime/program-cache.ts';
import type { TextFit } from '../text/fit-notes.ts';
import { type ImageView, imageGradient, seenPlanes } from './image-view.ts';

/** Encodings of a prompt, by the names of a program's inputs. */
export type PromptInputs = Readonly<Record<string, Float32Array | Int32Array | BigInt64Array>>;

/** Shapes and types of such encodings, by the same names. */
export type PromptShapes = Readonly<
  Record<string, { readonly shape: Shape; readonly dtype: 'float32' | 'int32' | 'int64' }>
>;

/** A scorer that can be traced into any program, and so be differentiated. */
export interface TraceableScorer {
  /** As in messages and reports. */
  readonly name: string;
  /** Side of its square input, in pixels. */
  readonly side: number;
  /** Size of its weights in bytes. */
  readonly bytes: number;
  /** Real paths of the files of its weights. */
  readonly files: readonly string[];
  /** How it sees a whole image of this size: its authors' preprocessing. */
  view(size: ImageSize): ImageView;
  /** How much of a prompt it reads. */
  fit(prompt: string): TextFit;
  /** What `encode` gives for one prompt. */
  readonly promptShapes: PromptShapes;
  /** @param prompt plain text */
  encode(prompt: string): Promise<PromptInputs>;
  /**
   * The scores `[views]` of as many views; more is better.
   *
   * @param planes `[views, 3, side, side]` in [0, 1], after the preprocessing
   * @param prompts what `encode` gave for each view, with the axis of views in front
   */
  score(planes: Tensor, prompts: Readonly<Record<string, Tensor>>): Tensor;
}

/**
 * A scorer that is ready to run. For the scale of its scores see {@link SCORERS}. Its prompts are plain text: brackets are
 * characters, and `parsePrompt(...).text` gives the text of a prompt with weights and tags.
 */
export interface Scorer {
  readonly name: string;
  /** Real paths of the files of its weights. */
  readonly files: readonly string[];
  /** How much of a prompt is read. */
  fit(prompt: string): TextFit;
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

/** What the programs of a scorer are called: those of the same name from another file are others. */
export const programKey = ({ name, files: [file] }: Pick<TraceableScorer, 'name' | 'files'>): string =>
  `${name} of ${file}`;

/** Shapes of the inputs of a program for several views of as many prompts. */
export function batchShapes(shapes: PromptShapes, views: number) {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, { shape, dtype }]) => [name, { shape: [views, ...shape], dtype }]),
  );
}

/**
 * Makes a scorer ready to run; its programs are compiled on first use.
 *
 * @param programs compiles and keeps its programs; they are freed by whoever made it
 */
export function createScorer(
  model: TraceableScorer,
  programs: Pick<ProgramCache, 'get'>,
): Omit<Scorer, 'dispose'> {
  const { name, side } = model;
  const key = programKey(model);
  const layout = layoutFor(model.bytes);
  const inputs = {
    planes: { shape: [1, 3, side, side], dtype: 'float32' as const },
    ...batchShapes(model.promptShapes, 1),
  };
  const scoring = () =>
    programs.get(
      key,
      () => trace(inputs, ({ planes, ...prompts }) => ({ score: model.score(planes, prompts) })),
      undefined,
      layout,
    );
  const slope = () =>
    programs.get(
      `${key} gradient`,
      () =>
        trace(inputs, ({ planes, ...prompts }) => {
          const score = model.score(planes, prompts);
          return { score, gradient: grad(sum(score), [planes])[0] };
        }),
      undefined,
      layout,
    );

  async function run(program: Promise<Runnable>, image: Image, prompt: string) {
    const view = model.view(image);
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
    score: async (image, prompt) => (await run(scoring(), image, prompt)).score,
    async gradient(image, prompt) {
      const { view, score, gradient } = await run(slope(), image, prompt);
      return { score, gradient: imageGradient(gradient, image, view) };
    },
  };
}
