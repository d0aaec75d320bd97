/** @file Identifying weights that users add by file: which network they belong to, and whether they are complete. */

import { input, type Shape } from '@sgool/autodiff';
import { places } from '#platform';
import { required, UserError } from '../../errors.ts';
import type { TensorFile, WeightTensor } from '../../weights/formats/weight-source.ts';
import { describeFile } from '../../weights/names/known-files.ts';
import type { AddedName } from '../../weights/open/added.ts';
import type { Config } from '../../weights/sources/read-config.ts';
import { clip } from '../clip/clip.ts';
import { clipConfig } from '../clip/clip-config.ts';
import { imageReward } from '../preference/image-reward.ts';
import { imageRewardConfig } from '../preference/image-reward-config.ts';
import { checkNetwork, checkWeights, describeProblems, type WeightCheck } from './check-weights.ts';

/** A published file that was recognised. */
export interface IdentifiedWeights {
  /** The name under which they are stored. */
  readonly name: AddedName;
  /** The published file that it is, for messages. */
  readonly title: string;
  /** Content of the `config.json` that is stored with the weights. */
  readonly config: Config;
  /** The tensors that the network needs, by its own names; others in the file are left out. */
  readonly tensors: ReadonlyMap<string, WeightTensor>;
}

interface Candidate {
  readonly title: string;
  readonly config: Config;
  check(tensors: ReadonlyMap<string, WeightTensor>): WeightCheck;
}

const transalnetCandidate = (variant: 'res' | 'dense', title: string): Candidate => {
  const config = { _class_name: 'TranSalNet', variant };
  return { title, config, check: (tensors) => required(checkNetwork('transalnet', config, { tensors })) };
};

interface OpenaiClipSize {
  readonly projection: number;
  readonly vision: {
    readonly width: number;
    readonly layers: number;
    readonly patch: number;
    readonly side: number;
  };
  readonly text: {
    readonly width: number;
    readonly layers: number;
    readonly tokens: number;
    readonly words: number;
  };
}

/** OpenAI's ViT-L/14. */
export const VIT_L_14: OpenaiClipSize = {
  projection: 768,
  vision: { width: 1024, layers: 24, patch: 14, side: 224 },
  text: { width: 768, layers: 12, tokens: 77, words: 49408 },
};

/** OpenCLIP's ViT-H/14. */
export const VIT_H_14: OpenaiClipSize = {
  projection: 1024,
  vision: { width: 1280, layers: 32, patch: 14, side: 224 },
  text: { width: 1024, layers: 24, tokens: 77, words: 49408 },
};

const hpsCandidate = (version: string, size: OpenaiClipSize, backbone: string): Candidate => ({
  title: `HPS ${version} (${backbone})`,
  config: { _class_name: 'HumanPreferenceScore', version, names: 'openai' },
  check: (tensors) => checkShapes(tensors, openaiClipShapes(size)),
});

/** CLIP ViT-H/14 as transformers describes it: what PickScore was trained from. */
const PICKSCORE_CONFIG: Config = {
  architectures: ['CLIPModel'],
  projection_dim: 1024,
  text_config: {
    hidden_size: 1024,
    intermediate_size: 4096,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    hidden_act: 'gelu',
  },
  vision_config: {
    hidden_size: 1280,
    intermediate_size: 5120,
    num_hidden_layers: 32,
    num_attention_heads: 16,
    patch_size: 14,
    hidden_act: 'gelu',
  },
};

function checkClip(config: Config, tensors: ReadonlyMap<string, WeightTensor>): WeightCheck {
  const settings = clipConfig(config);
  const { image_size: side } = settings.vision_config;
  return checkWeights({ tensors }, (weights) => {
    const model = clip(settings, weights);
    model.image(input('pixels', [1, 3, side, side]));
    model.text(input('ids', [1, 8], 'int32'), input('end', [1], 'int32'));
    model.logitScale();
  });
}

/** Checks the network's own names; the file also has projections that only BLIP's training used. */
function checkImageReward(config: Config, tensors: ReadonlyMap<string, WeightTensor>): WeightCheck {
  const settings = imageRewardConfig(config);
  const { image_size: side } = settings.vision_config;
  const words = [1, settings.max_length];
  return checkWeights({ tensors }, (weights) => {
    imageReward(
      settings,
      weights,
    )({
      pixels: input('pixels', [1, 3, side, side]),
      ids: input('ids', words, 'int32'),
      words: input('words', words),
    });
  });
}

/**
 * Published files by name.
 *
 * Reference: TranSalNet: github.com/LJOVO/TranSalNet, TranSalNet_Res.pth and TranSalNet_Dense.pth; HPS v1:
 * github.com/tgxs002/align_sd, hpc.pth, a CLIP ViT-L/14 with OpenAI's names; HPS v2 and v2.1: hub xswu/HPSv2, an OpenCLIP
 * ViT-H/14; PickScore: hub yuvalkirstain/PickScore_v1, a CLIPModel of transformers; ImageReward: hub THUDM/ImageReward
 */
const CANDIDATES: Readonly<Record<AddedName, readonly Candidate[]>> = {
  transalnet: [
    transalnetCandidate('res', 'TranSalNet_Res'),
    transalnetCandidate('dense', 'TranSalNet_Dense'),
  ],
  'hps-v1': [hpsCandidate('v1', VIT_L_14, 'CLIP ViT-L/14')],
  'hps-v2': [hpsCandidate('v2.0', VIT_H_14, 'OpenCLIP ViT-H/14')],
  'hps-v2.1': [hpsCandidate('v2.1', VIT_H_14, 'OpenCLIP ViT-H/14')],
  pickscore: [
    {
      title: 'PickScore v1 (CLIP ViT-H/14)',
      config: PICKSCORE_CONFIG,
      check: (tensors) => checkClip(PICKSCORE_CONFIG, tensors),
    },
  ],
  'image-reward': [
    {
      title: 'ImageReward v1.0 (BLIP large)',
      config: { _class_name: 'ImageReward' },
      check: (tensors) => checkImageReward({}, tensors),
    },
  ],
};

/** The version of an HPS file. Versions 2.0 and 2.1 have the same shapes; only the names of their files differ. */
function hpsVersion({ path, tensors }: TensorFile): AddedName {
  const patches = tensors.get('visual.conv1.weight') ?? tensors.get('module.visual.conv1.weight');
  if (patches?.shape[0] !== VIT_H_14.vision.width) return 'hps-v1';
  const [, version] = /v(2(?:\.[01])?)(?!\d)/i.exec(places.basename(path)) ?? [];
  if (version !== undefined) return version === '2.1' ? 'hps-v2.1' : 'hps-v2';
  throw new UserError(
    `${path}: an HPS of version 2 or 2.1, which only the file's name distinguishes; choose hps-v2 or hps-v2.1`,
  );
}

/**
 * Identifies a published file.
 *
 * @param wanted the expected network; `hps` for any version of the Human Preference Score
 * @throws UserError that names the first weight that does not fit the likeliest file
 */
export function identifyWeights(wanted: AddedName | 'hps', file: TensorFile): IdentifiedWeights {
  const { path, tensors: found } = file;
  const name = wanted === 'hps' ? hpsVersion(file) : wanted;
  // Training on several devices puts a prefix in front of all names.
  const tensors = new Map([...found].map(([key, tensor]) => [key.replace(/^module\./, ''), tensor]));
  const results = CANDIDATES[name].map((candidate) => ({ candidate, ...candidate.check(tensors) }));
  const { candidate, asked, problems } = results.reduce((best, result) =>
    result.problems.length < best.problems.length ? result : best,
  );
  if (problems.length > 0) {
    const names = CANDIDATES[name].map(({ title }) => title).join(' or ');
    const reason =
      problems.length === asked.size
        ? `none of its ${tensors.size} tensors has a name of that network${elsewhere(file)}`
        : describeProblems(problems);
    throw new UserError(`${path}: not the weights of ${names}: ${reason}`);
  }
  return {
    name,
    title: candidate.title,
    config: candidate.config,
    tensors: new Map([...asked].map((key) => [key, required(tensors.get(key), key)])),
  };
}

/** What a file is that has nothing of the expected network. */
function elsewhere(file: TensorFile): string {
  const found = describeFile(file);
  return found === undefined ? '' : `; it is ${found.what}; ${found.works}`;
}

function checkShapes(tensors: ReadonlyMap<string, WeightTensor>, expected: ReadonlyMap<string, Shape>) {
  const problems = [...expected].flatMap(([name, shape]) => {
    const actual = tensors.get(name)?.shape;
    if (actual?.join() === shape.join()) return [];
    return [{ name, expected: shape, ...(actual === undefined ? {} : { actual }) }];
  });
  return { asked: new Set(expected.keys()), problems };
}

/** Names and shapes of a CLIP in OpenAI's own files. Reference: github.com/openai/CLIP, clip/model.py. */
export function openaiClipShapes({ projection, vision, text }: OpenaiClipSize): Map<string, Shape> {
  const norm = (name: string, width: number): [string, Shape][] => [
    [`${name}.weight`, [width]],
    [`${name}.bias`, [width]],
  ];
  const linear = (name: string, from: number, to: number): [string, Shape][] => [
    [`${name}.weight`, [to, from]],
    [`${name}.bias`, [to]],
  ];
  const blocks = (prefix: string, width: number, layers: number): [string, Shape][] =>
    Array.from({ length: layers }, (_, i) => `${prefix}transformer.resblocks.${i}`).flatMap((name) => [
      [`${name}.attn.in_proj_weight`, [3 * width, width]],
      [`${name}.attn.in_proj_bias`, [3 * width]],
      ...linear(`${name}.attn.out_proj`, width, width),
      ...norm(`${name}.ln_1`, width),
      ...linear(`${name}.mlp.c_fc`, width, 4 * width),
      ...linear(`${name}.mlp.c_proj`, 4 * width, width),
      ...norm(`${name}.ln_2`, width),
    ]);
  const patches = (vision.side / vision.patch) ** 2;
  return new Map<string, Shape>([
    ['positional_embedding', [text.tokens, text.width]],
    ['text_projection', [text.width, projection]],
    ['logit_scale', []],
    ['token_embedding.weight', [text.words, text.width]],
    ...blocks('', text.width, text.layers),
    ...norm('ln_final', text.width),
    ['visual.class_embedding', [vision.width]],
    ['visual.positional_embedding', [1 + patches, vision.width]],
    ['visual.proj', [vision.width, projection]],
    ['visual.conv1.weight', [vision.width, 3, vision.patch, vision.patch]],
    ...norm('visual.ln_pre', vision.width),
    ...blocks('visual.', vision.width, vision.layers),
    ...norm('visual.ln_post', vision.width),
  ]);
}
