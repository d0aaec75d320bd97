import { expect, it } from 'vitest';
import { selectFiles } from './select-files.ts';

const ID = 'org/name';
const listed = (paths: readonly string[]) => paths.map((path) => ({ path, size: 1, hash: '0'.repeat(40) }));
const selected = (
  paths: readonly string[],
  ...rest: Parameters<typeof selectFiles> extends [unknown, unknown, ...infer R] ? R : never
) => selectFiles(ID, listed(paths), ...rest).map(({ path }) => path);

it('a sharded weight comes with all its shards and the index, and no other copy', () => {
  const stem = 'unet/diffusion_pytorch_model';
  const index = { unet: ['diffusers', 'UNet2DConditionModel'] };
  const plain = [
    `${stem}-00001-of-00002.safetensors`,
    `${stem}-00002-of-00002.safetensors`,
    `${stem}.safetensors.index.json`,
  ];
  const half = [
    `${stem}.fp16-00001-of-00002.safetensors`,
    `${stem}.fp16-00002-of-00002.safetensors`,
    `${stem}.safetensors.index.fp16.json`,
  ];
  const older = [`${stem}-00001-of-00001.bf16.bin`, `${stem}.bin.index.bf16.json`];
  const files = ['model_index.json', 'unet/config.json', ...plain, ...half, ...older];
  const small = files.slice(0, 2);
  expect(selected(files, {}, index)).toEqual([...small, ...plain]);
  expect(selected(files, { variant: 'fp16' }, index)).toEqual([...small, ...half]);
  expect(selected(files, { variant: 'bf16' }, index)).toEqual([...small, ...older]);
});

it('networks of our own come along, as does a part without plain weights', () => {
  const files = [
    'model_index.json',
    'sgool.json',
    'clip/config.json',
    'clip/model.safetensors',
    'clip/tokenizer/vocab.json',
    'vae/config.json',
    'vae/diffusion_pytorch_model.fp16.bin',
    'vae/notes.md',
  ];
  expect(
    selected(files, {}, { vae: ['diffusers', 'AutoencoderKL'], safety_checker: [null, null] }).sort(),
  ).toEqual(files.slice(0, -1).sort());
});

it('a part that has neither plain weights nor half-precision ones comes with another variant, the safe one first', () => {
  const index = { vae: ['diffusers', 'AutoencoderKL'] };
  const stem = 'vae/diffusion_pytorch_model';
  const both = [`${stem}.bf16.bin`, `${stem}.bf16.safetensors`];
  expect(selected(both, {}, index)).toEqual([both[1]]);
  expect(selected(both.slice(0, 1), {}, index)).toEqual([both[0]]);
  const half = `${stem}.fp16.bin`;
  expect(selected([...both, half], {}, index)).toEqual([half]);
});

it('a single network at the root of a repository: a CLIP, say', () => {
  const files = [
    'README.md',
    'config.json',
    'flax_model.msgpack',
    'merges.txt',
    'model.safetensors',
    'preprocessor_config.json',
    'pytorch_model.bin',
    'tf_model.h5',
    'tokenizer.json',
    'vocab.json',
  ];
  expect(selected(files)).toEqual([
    'config.json',
    'merges.txt',
    'preprocessor_config.json',
    'tokenizer.json',
    'vocab.json',
    'model.safetensors',
  ]);
  expect(selected(files.filter((name) => name !== 'model.safetensors'))).toContain('pytorch_model.bin');
});

it('the tokenizers of several text encoders, in each of their forms', () => {
  const files = [
    'tokenizer/merges.txt',
    'tokenizer_3/spiece.model',
    'tokenizer_3/notes.md',
    'tokenizer_2/vocab.json',
  ];
  const index = Object.fromEntries(
    ['tokenizer', 'tokenizer_2', 'tokenizer_3'].map((name) => [name, ['t', 'T']]),
  );
  expect(selected(files, {}, index).sort()).toEqual([
    'tokenizer/merges.txt',
    'tokenizer_2/vocab.json',
    'tokenizer_3/spiece.model',
  ]);
});

it('a repository of single files: the only one, the safe one, or the one that is named', () => {
  expect(selected(['README.md', 'ImageReward.pt', 'med_config.json'])).toEqual([
    'med_config.json',
    'ImageReward.pt',
  ]);
  expect(selected(['sd-v1.ckpt', 'sd-v1.safetensors'])).toEqual(['sd-v1.safetensors']);
  const several = ['HPS_v2_compressed.pt', 'HPS_v2.1_compressed.pt'];
  expect(() => selected(several)).toThrow(
    'hub: org/name holds several models; name one with --file: HPS_v2_compressed.pt, HPS_v2.1_compressed.pt',
  );
  expect(selected(several, { files: ['HPS_v2.1_compressed.pt'] })).toEqual(['HPS_v2.1_compressed.pt']);
  const vocabulary = ['vocab.json', 'merges.txt', 'model.safetensors'];
  expect(selected(vocabulary, { files: ['vocab.json'] })).toEqual(['vocab.json', 'merges.txt']);
  expect(() => selected(several, { files: ['HPS.pt'] })).toThrow(
    /has no file HPS.pt; it has HPS_v2_compressed.pt,/,
  );
});

it('a variant is asked of weights alone: a repository without any has none to lack', () => {
  const files = ['tokenizer.json', 'vocab.json', 'merges.txt', 'tokenizer_config.json'];
  const wanted = (variant: string | undefined) => {
    try {
      return selected(files, variant === undefined ? {} : { variant }, undefined);
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(wanted('fp16')).toEqual(wanted(undefined));
});
