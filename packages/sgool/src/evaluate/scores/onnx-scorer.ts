/** @file A scorer that was exported to ONNX as a scorer of an evaluation. */
import type { CompileOptions } from '@sgool/autodiff';
import type { OnnxDescription } from '../../preference/onnx/onnx-description.ts';
import { openOnnxScorer } from '../../preference/onnx/onnx-scorer.ts';
import { createScorer } from '../../preference/scorer.ts';
import { ProgramCache } from '../../runtime/program-cache.ts';
import type { ImageScorer } from './image-scorer.ts';
import { filesSha256 } from './weights-hash.ts';

/**
 * Opens a scorer. Its name is that of the file without its ending. Numbers in files beside the model are read, but their hash is not
 * part of the score's.
 *
 * @param path of the .onnx file
 * @throws UserError in one line where the file, or the description beside it, is not usable
 */
export async function onnxScorer(
  path: string,
  options: Omit<CompileOptions, 'layout'> = {},
): Promise<ImageScorer> {
  const { described, model } = await openOnnxScorer(path);
  const { name } = model;
  const programs = new ProgramCache(options);
  const scorer = createScorer(model, programs);
  const sign = described.higherIsBetter ? 1 : -1;
  return {
    infos: [
      {
        name,
        title: described.title ?? name,
        scale: described.scale,
        digits: described.digits,
        higherIsBetter: described.higherIsBetter,
        isAveraged: described.averaged,
        tie: described.tie ?? 10 ** -described.digits,
        weights: await filesSha256([path]),
        preprocessing: preprocessingOf(described),
      },
    ],
    score: async ({ image, prompt }) => ({ [name]: sign * (await scorer.score(image, prompt.text)) }),
    fits: (prompt) => ({ [name]: scorer.fit(prompt) }),
    dispose: () => programs.dispose(),
  };
}

function preprocessingOf({ image, text }: OnnxDescription): string {
  const { size, layout, range, mean, std, resize } = image;
  const words = text === undefined ? '' : `; ${text.length} token ids`;
  return `${resize} to ${size} x ${size}, bicubic, ${range.join(' to ')}, mean ${mean.join(' ')}, std ${std.join(' ')}, ${layout}${words}`;
}
