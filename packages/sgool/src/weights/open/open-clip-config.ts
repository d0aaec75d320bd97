/**
 * @file `open_clip_config.json`, which OpenCLIP publishes beside a file of weights, and what else decides between the two
 * activations of CLIP: OpenAI's "quick" GELU, x · sigmoid(1.702 x), and GELU itself. The weights do not show which one it is.
 *
 * Reference: mlfoundations/open_clip, src/open_clip/model.py (CLIPVisionCfg, CLIPTextCfg, CLIP), pretrained.py
 */
import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import { type Config, readConfig } from '../sources/read-config.ts';

/** What a configuration of OpenCLIP adds to what the shapes of the weights say. */
export interface OpenClipSettings {
  readonly activation: 'quick_gelu' | 'gelu';
  readonly visionHeadWidth?: number;
  readonly textHeads?: number;
}

/** An activation and how certain it is. */
export interface ActivationGuess {
  readonly activation: 'quick_gelu' | 'gelu';
  /** Whether nothing says so and it was assumed. */
  readonly isAssumed: boolean;
}

const isObject = (value: unknown): value is Config =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Keys that the weights show, or that change training only. */
const SHOWN = {
  model: [
    'embed_dim',
    'quick_gelu',
    'vision_cfg',
    'text_cfg',
    'init_logit_scale',
    'output_dict',
    'cast_dtype',
    'nonscalar_logit_scale',
  ],
  vision: [
    'layers',
    'width',
    'patch_size',
    'image_size',
    'mlp_ratio',
    'head_width',
    'patch_dropout',
    'output_tokens',
  ],
  text: ['context_length', 'vocab_size', 'width', 'heads', 'layers', 'mlp_ratio', 'output_tokens'],
};

/** Values of other keys that are those of the plain CLIP. */
const PLAIN: Readonly<Record<string, readonly unknown[]>> = {
  custom_text: [false],
  pool_type: ['tok', 'argmax'],
  global_average_pool: [false],
  attentional_pool: [false],
  no_causal_mask: [false],
  no_ln_pre: [false],
  embed_cls: [false],
  proj_bias: [false],
  pad_id: [0],
  pos_embed_type: ['learnable'],
  final_ln_after_pool: [false],
  input_patchnorm: [false],
  norm_kwargs: [],
  act_kwargs: [],
};

function checkPart(part: Config, shown: readonly string[], where: string, path: string): void {
  for (const [key, value] of Object.entries(part)) {
    if (shown.includes(key) || value === null || PLAIN[key]?.includes(value)) continue;
    if (isObject(value) && Object.keys(value).length === 0) continue;
    throw new UserError(
      `${path}: ${where}.${key} is not supported, got ${JSON.stringify(value)?.slice(0, 80)}; a plain CLIP with a vision transformer is`,
    );
  }
}

/** The normalisation of the pixels, of which one is supported. */
const PREPROCESSING: Readonly<Record<string, readonly number[]>> = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

function checkPreprocessing(config: unknown, path: string): void {
  if (!isObject(config)) return;
  for (const [key, wanted] of Object.entries(PREPROCESSING)) {
    const value = config[key];
    const isSame =
      value === undefined ||
      (Array.isArray(value) &&
        value.length === 3 &&
        wanted.every((one, i) => Math.abs(one - Number(value[i])) < 1e-6));
    if (!isSame) {
      throw new UserError(
        `${path}: preprocess_cfg.${key} is not supported, got ${JSON.stringify(value)?.slice(0, 80)}; that of CLIP is, [${wanted.join(', ')}]`,
      );
    }
  }
}

/** Most heads of a tower, and the width of the widest head: bigG has 20 heads of 64 and 16 of 104. */
const MOST = 1024;

/** A number of the file, or undefined where it has none. @throws UserError where it is not a sensible one */
function countOf(part: Config, where: string, key: string, path: string): number | undefined {
  const value = part[key] ?? undefined;
  if (value === undefined) return undefined;
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST) return value as number;
  throw new UserError(
    `${path}: model_cfg.${where}.${key} is not supported, got ${JSON.stringify(value).slice(0, 80)}; it must be a whole number from 1 to ${MOST}`,
  );
}

/**
 * Reads `open_clip_config.json` beside a file of weights.
 *
 * @returns undefined where there is none
 * @throws UserError that names a key that is not supported
 */
export async function openClipSettings(weights: string): Promise<OpenClipSettings | undefined> {
  const path = places.join(places.dirname(weights), 'open_clip_config.json');
  if (!(await files.exists(path))) return undefined;
  const { model_cfg: model, preprocess_cfg: preprocessing } = await readConfig(path);
  if (!isObject(model) || !isObject(model.vision_cfg) || !isObject(model.text_cfg)) {
    throw new UserError(`${path}: model_cfg with vision_cfg and text_cfg is expected; is it that of a CLIP?`);
  }
  checkPart(model, SHOWN.model, 'model_cfg', path);
  checkPart(model.vision_cfg, SHOWN.vision, 'model_cfg.vision_cfg', path);
  checkPart(model.text_cfg, SHOWN.text, 'model_cfg.text_cfg', path);
  checkPreprocessing(preprocessing, path);
  return {
    activation: model.quick_gelu === true ? 'quick_gelu' : 'gelu',
    visionHeadWidth: countOf(model.vision_cfg, 'vision_cfg', 'head_width', path) ?? 64,
    textHeads: countOf(model.text_cfg, 'text_cfg', 'heads', path),
  };
}

/** Names of OpenAI's own files, and of trainings that kept its activation; then names of those that did not. */
const QUICK =
  /quick_?gelu|openai|metaclip|dfn|^(ViT-(B-32|B-16|L-14|L-14-336px)|RN\d+\w*)\.(pt|safetensors)$|^hpc\.pt/i;
const PLAIN_GELU = /laion|datacomp|commonpool|open_?clip|HPS_?v2|(^|[^a-z])gelu/i;

/**
 * The activation by the name of the file and of its folder, by its format, or by the width of its image tower.
 *
 * @param format of the file, as its reader says: OpenAI publishes TorchScript, OpenCLIP does not
 * @param isWide whether the image tower has a width that OpenAI never published
 */
export function guessActivation(path: string, format: string | undefined, isWide: boolean): ActivationGuess {
  const name = places.basename(path);
  const folder = places.basename(places.dirname(path));
  if (QUICK.test(name) || format === 'torchscript') return { activation: 'quick_gelu', isAssumed: false };
  if (PLAIN_GELU.test(name)) return { activation: 'gelu', isAssumed: false };
  if (QUICK.test(folder)) return { activation: 'quick_gelu', isAssumed: false };
  if (/laion|datacomp|commonpool/i.test(folder)) return { activation: 'gelu', isAssumed: false };
  return { activation: isWide ? 'gelu' : 'quick_gelu', isAssumed: true };
}
