import type { Shape } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import type { TensorFile } from '../weights/index.ts';
import { identifyWeights, openaiClipShapes } from './added-weights.ts';
import { readKeys } from './testing.ts';

/** A file of which only the header is there. */
function headerOnly(shapes: Iterable<readonly [string, Shape]>): TensorFile {
  const tensors = new Map(
    [...shapes].map(([name, shape]) => [
      name,
      { dtype: 'F32' as const, shape, path: 'file.pth', byteOffset: 0, byteLength: 0 },
    ]),
  );
  return { path: 'file.pth', tensors, metadata: {} };
}

describe('identifyWeights', () => {
  it.each([
    ['res', 'TranSalNet_Res'],
    ['dense', 'TranSalNet_Dense'],
  ])('knows the published TranSalNet (%s) by its names and shapes', async (variant, title) => {
    const published = await readKeys(`transalnet_${variant}`);
    const found = identifyWeights('transalnet', headerOnly(published));
    expect(found).toMatchObject({ title, config: { variant } });
    const counters = [...published.keys()].filter((name) => name.endsWith('num_batches_tracked'));
    expect(found.tensors.size).toBe(published.size - counters.length);
    const parallel = headerOnly([...published].map(([name, shape]) => [`module.${name}`, shape]));
    expect([...identifyWeights('transalnet', parallel).tensors.keys()]).toEqual([...found.tensors.keys()]);
  });

  it('tells what does not fit in one line', async () => {
    const published = await readKeys('transalnet_dense');
    const why = (change: (shapes: Map<string, Shape>) => void) => {
      const shapes = new Map(published);
      change(shapes);
      return () => identifyWeights('transalnet', headerOnly(shapes));
    };
    expect(why((shapes) => shapes.delete('decoder.conv7.bias'))).toThrow(
      'file.pth: not the weights of TranSalNet_Res or TranSalNet_Dense: the weight decoder.conv7.bias [1] is missing',
    );
    expect(why((shapes) => shapes.set('decoder.conv7.weight', [2, 32, 3, 3]))).toThrow(
      /the weight decoder.conv7.weight has shape \[2, 32, 3, 3\] instead of \[1, 32, 3, 3\]$/,
    );
    const other = () => identifyWeights('transalnet', headerOnly([['fc.weight', [10, 10]]]));
    expect(other).toThrow(/none of its 1 tensors has a name of that network/);
  });

  it('knows the CLIP of HPS v1: 446 tensors, 427,616,513 numbers', () => {
    const vision = { width: 1024, layers: 24, patch: 14, side: 224 };
    const text = { width: 768, layers: 12, tokens: 77, words: 49408 };
    const shapes = openaiClipShapes({ projection: 768, vision, text });
    expect(shapes.size).toBe(446);
    const numbers = [...shapes.values()].map((shape) => shape.reduce((product, side) => product * side, 1));
    expect(numbers.reduce((a, b) => a + b, 0)).toBe(427_616_513);
    expect(identifyWeights('hps', headerOnly(shapes))).toMatchObject({ config: { version: 'v1' } });
  });
});
