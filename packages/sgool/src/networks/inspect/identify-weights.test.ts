import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Shape } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import type { TensorFile } from '../../weights/formats/weight-source.ts';
import { openClipParts } from '../../weights/names/open-clip.ts';
import type { AddedName } from '../../weights/open/added.ts';
import { readKeys } from '../testing.ts';
import { identifyWeights, openaiClipShapes, VIT_H_14, VIT_L_14 } from './identify-weights.ts';

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

  it('says in one line what does not fit', async () => {
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
    const shapes = openaiClipShapes(VIT_L_14);
    expect(shapes.size).toBe(446);
    const numbers = [...shapes.values()].map((shape) => shape.reduce((product, side) => product * side, 1));
    expect(numbers.reduce((a, b) => a + b, 0)).toBe(427_616_513);
    expect(identifyWeights('hps', headerOnly(shapes))).toMatchObject({
      name: 'hps-v1',
      config: { version: 'v1' },
    });
  });

  it('distinguishes HPS v2 and v2.1 by the name of the file, and refuses to guess', () => {
    const file = headerOnly(openaiClipShapes(VIT_H_14));
    const identify = (path: string) => identifyWeights('hps', { ...file, path }).name;
    expect(identify('/some/v1/HPS_v2.1_compressed.pt')).toBe('hps-v2.1');
    expect(identify('HPS_v2_compressed.pt')).toBe('hps-v2');
    expect(() => identify('model.pt')).toThrow(/choose hps-v2 or hps-v2\.1$/);
    expect(identifyWeights('hps-v2.1', file).title).toBe('HPS v2.1 (OpenCLIP ViT-H/14)');
    expect(() => identifyWeights('hps-v1', file)).toThrow(/^file\.pth: not the weights of HPS v1/);
  });
});

it('a file of something else is called by its name', () => {
  const lora = headerOnly([['lora_unet_mid_block_attentions_0_proj_in.lora_down.weight', [4, 320]]]);
  expect(() => identifyWeights('pickscore', lora)).toThrow(
    /not the weights of PickScore v1 .*none of its 1 tensors has a name of that network; it is a LoRA, which changes a model; give/,
  );
});

const tables = path.resolve(import.meta.dirname, '../../../../../../shared/reference/keys');
const hasTables = existsSync(tables);

/** Names and shapes of a published file, from the references beside the repository. */
async function readTable(name: string): Promise<[string, Shape][]> {
  const [, ...rows] = (await readFile(path.join(tables, `${name}.tsv`), 'utf8')).trim().split('\n');
  return rows.map((row) => {
    const [key, shape] = row.split('\t') as [string, string];
    return [key, shape === 'scalar' ? [] : shape.split('x').map(Number)];
  });
}

describe.skipIf(!hasTables)('the published files (skipped where ../shared/reference is not at hand)', () => {
  it.each<[AddedName, string, RegExp]>([
    ['hps-v1', 'hps_v1_openai_vit_l14', /^$/],
    ['hps-v2', 'hpsv2_vit_h14', /^$/],
    // Projections of BLIP's training, and a constant.
    ['image-reward', 'imagereward', /^blip\.(vision_proj|text_proj)\.|position_ids$/],
  ])('%s has exactly the tensors of its table', async (name, table, unused) => {
    const published = await readTable(table);
    const { tensors } = identifyWeights(name, headerOnly(published));
    const wanted = published.map(([key]) => key).filter((key) => !unused.test(key));
    expect([...tensors.keys()].sort()).toEqual(wanted.sort());
  });

  it('PickScore has the tensors of HPS v2 under the names of transformers', async () => {
    const converted = (await readTable('hpsv2_vit_h14')).flatMap(([key, shape]) =>
      openClipParts(key).map(({ name, band, transpose }): [string, Shape] => {
        if (band !== undefined) return [name, [shape[0] / 3, ...shape.slice(1)]];
        return [name, transpose ? [...shape].reverse() : shape];
      }),
    );
    const { tensors } = identifyWeights('pickscore', headerOnly(converted));
    expect([...tensors.keys()].sort()).toEqual(converted.map(([key]) => key).sort());
  });
});
