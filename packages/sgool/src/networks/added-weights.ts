/** @file Files of weights that people add by hand: which network they belong to, and whether they are whole. */
import type { Shape } from '@sgool/autodiff';
import { UserError } from '../errors.ts';
import type { AddedName, Config, TensorFile, WeightTensor } from '../weights/index.ts';
import { checkNetwork, describeProblems, type WeightCheck } from './check-weights.ts';

export interface IdentifiedWeights {
  /** In words: which of the published files it is. */
  readonly title: string;
  /** For the `config.json` beside the weights. */
  readonly config: Config;
  /** What the network asks for, by its own names; anything else in the file is left out. */
  readonly tensors: ReadonlyMap<string, WeightTensor>;
}

interface Candidate {
  readonly title: string;
  readonly config: Config;
  check(tensors: ReadonlyMap<string, WeightTensor>): WeightCheck;
}

const transalnetCandidate = (variant: 'res' | 'dense', title: string): Candidate => {
  const config = { _class_name: 'TranSalNet', variant };
  return { title, config, check: (tensors) => checkNetwork('transalnet', config, { tensors })! };
};

/**
 * Published files by name.
 *
 * Reference: TranSalNet: github.com/LJOVO/TranSalNet, TranSalNet_Res.pth and TranSalNet_Dense.pth; HPS v1:
 * github.com/tgxs002/align_sd, hpc.pth, a CLIP ViT-L/14 with OpenAI's names.
 */
const CANDIDATES: Readonly<Record<AddedName, readonly Candidate[]>> = {
  transalnet: [
    transalnetCandidate('res', 'TranSalNet_Res'),
    transalnetCandidate('dense', 'TranSalNet_Dense'),
  ],
  hps: [
    {
      title: 'HPS v1 (CLIP ViT-L/14)',
      config: { _class_name: 'HumanPreferenceScore', version: 'v1', names: 'openai' },
      check: (tensors) => checkShapes(tensors, openaiClipShapes(VIT_L_14)),
    },
  ],
};

/**
 * Finds out which published file this is.
 *
 * @throws UserError that tells the first weight that does not fit the likeliest one
 */
export function identifyWeights(name: AddedName, { path, tensors: found }: TensorFile): IdentifiedWeights {
  // A network that was trained on several devices has a prefix in front of all names.
  const tensors = new Map([...found].map(([key, tensor]) => [key.replace(/^module\./, ''), tensor]));
  const results = CANDIDATES[name].map((candidate) => ({ candidate, ...candidate.check(tensors) }));
  const { candidate, asked, problems } = results.reduce((best, result) =>
    result.problems.length < best.problems.length ? result : best,
  );
  if (problems.length > 0) {
    const names = CANDIDATES[name].map(({ title }) => title).join(' or ');
    const reason =
      problems.length === asked.size
        ? `none of its ${tensors.size} tensors has a name of that network`
        : describeProblems(problems);
    throw new UserError(`${path}: not the weights of ${names}: ${reason}`);
  }
  return {
    title: candidate.title,
    config: candidate.config,
    tensors: new Map([...asked].map((key) => [key, tensors.get(key)!])),
  };
}

function checkShapes(tensors: ReadonlyMap<string, WeightTensor>, expected: ReadonlyMap<string, Shape>) {
  const problems = [...expected].flatMap(([name, shape]) => {
    const actual = tensors.get(name)?.shape;
    if (actual?.join() === shape.join()) return [];
    return [{ name, expected: shape, ...(actual === undefined ? {} : { actual }) }];
  });
  return { asked: new Set(expected.keys()), problems };
}

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

const VIT_L_14: OpenaiClipSize = {
  projection: 768,
  vision: { width: 1024, layers: 24, patch: 14, side: 224 },
  text: { width: 768, layers: 12, tokens: 77, words: 49408 },
};

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
