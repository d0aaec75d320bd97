/**
 * @file Names in LoRA and LyCORIS files: those of kohya-ss's scripts, of ComfyUI, of PEFT, and the three that diffusers has
 * used. The changed module is identified by its path with underscores for dots, which is all that kohya's names keep.
 *
 * Reference: kohya-ss/sd-scripts, networks/lora.py; diffusers, loaders/lora_conversion_utils.py; KohakuBlueleaf/LyCORIS,
 * lycoris/modules (weight_list of each class); huggingface/peft, utils/save_and_load.py; ComfyUI, comfy/lora.py
 */

import { isMotionName, motionName } from './motion.ts';

/**
 * The network that a LoRA changes. `unet` is what denoises, as kohya's scripts call it for transformers too. T5 has another place in each
 * model, so it has a name of its own.
 */
export type LoraNetwork = 'unet' | 'text_encoder' | 'text_encoder_2' | 't5';

/** What a tensor is for its module, by the ending of its name in any of the namings. */
const ENDINGS = {
  'lora_down.weight': 'down',
  'lora_up.weight': 'up',
  'lora_mid.weight': 'mid',
  'lora_A.weight': 'down',
  'lora_B.weight': 'up',
  'lora_A.default.weight': 'down',
  'lora_B.default.weight': 'up',
  'lora_B.bias': 'up_bias',
  'lora_B.default.bias': 'up_bias',
  'lora.down.weight': 'down',
  'lora.up.weight': 'up',
  'lora_linear_layer.down.weight': 'down',
  'lora_linear_layer.up.weight': 'up',
  lora_embedding_A: 'embedding_down',
  lora_embedding_B: 'embedding_up',
  lora_magnitude_vector: 'magnitude',
  'lora_magnitude_vector.weight': 'magnitude',
  'lora_magnitude_vector.default.weight': 'magnitude',
  alpha: 'alpha',
  dora_scale: 'dora_scale',
  hada_w1_a: 'hada_w1_a',
  hada_w1_b: 'hada_w1_b',
  hada_w2_a: 'hada_w2_a',
  hada_w2_b: 'hada_w2_b',
  hada_t1: 'hada_t1',
  hada_t2: 'hada_t2',
  lokr_w1: 'lokr_w1',
  lokr_w1_a: 'lokr_w1_a',
  lokr_w1_b: 'lokr_w1_b',
  lokr_w2: 'lokr_w2',
  lokr_w2_a: 'lokr_w2_a',
  lokr_w2_b: 'lokr_w2_b',
  lokr_t2: 'lokr_t2',
  diff: 'diff',
  diff_b: 'diff_b',
  w_norm: 'diff',
  b_norm: 'diff_b',
  on_input: 'on_input',
  factor: 'factor',
  'base_layer.weight': 'weight',
  'base_layer.bias': 'bias',
  weight: 'weight',
  bias: 'bias',
} as const;

/** The role of a tensor in the change of its module. */
export type LoraPart = (typeof ENDINGS)[keyof typeof ENDINGS];

/** Longest ending first, so that `lora_down.weight` is not taken for `weight`. */
const ORDERED = (Object.keys(ENDINGS) as (keyof typeof ENDINGS)[]).sort((a, b) => b.length - a.length);

/** Endings of methods that are not supported, and what they are called. */
const OTHER_METHODS: readonly (readonly [RegExp, string])[] = [
  [/\.(oft_blocks|oft_diag|rescale)$/, 'OFT'],
  [/\.oft_R(\.\w+)*$/, 'OFT of PEFT'],
  [/\.boft_[RS](\.\w+)*$/, 'BOFT'],
  [/\.(a1|a2|b1|b2|bm)\.weight$/, 'GLoRA'],
  [/\.(q_layer\.weight|p_layer\.weight|lambda_layer)$/, 'T-LoRA'],
  [/\.ia3_l(\.\w+)*$/, 'IA3 of PEFT'],
  [/\.vera_lambda_[bd](\.\w+)*$/, 'VeRA'],
  [/\.hra_u(\.\w+)*$/, 'HRA'],
  [/\.(lokr_t1|scalar|set_weight|reshape_weight)$/, 'a part that LyCORIS files of today do not have'],
];

/** The name of the method that a tensor of another kind belongs to, where it is known. */
export function otherMethod(name: string): string | undefined {
  return OTHER_METHODS.find(([pattern]) => pattern.test(name))?.[1];
}

/** One tensor of a LoRA. */
export interface LoraName {
  readonly network: LoraNetwork;
  /** Path of the module below its network, dots replaced: `down_blocks_0_attentions_0_proj_in`. */
  readonly module: string;
  /** The same with dots, where the name keeps them; PEFT's patterns are matched against it. */
  readonly path?: string;
  readonly part: LoraPart;
}

/** A module's path as in LoRA names; `text_model.` is left out, because some files lack it. */
export function loraModule(path: string): string {
  return path.replace(/^text_model[._]/, '').replaceAll('.', '_');
}

/** A network need not be named: `lycoris_transformer_blocks_0_attn_to_q` is a block, not one of a network "transformer". */
const KOHYA = /^(?:lora|lycoris)_(?:(unet|transformer(?!_blocks_\d)|te|te1|te2|te3)_)?([^.]+)\.(.+)$/;
/** What these names say in short. */
const SHORT: Readonly<Record<string, LoraNetwork>> = {
  unet: 'unet',
  transformer: 'unet',
  te: 'text_encoder',
  te1: 'text_encoder',
  te2: 'text_encoder_2',
  te3: 't5',
};
/** What other programs put in front of the module's path, and the network that it says. */
const PREFIXES: readonly (readonly [RegExp, LoraNetwork | undefined])[] = [
  [/^base_model\.model\./, undefined],
  [/^unet\./, 'unet'],
  [/^(text_encoder|te|te1|clip_l)\./, 'text_encoder'],
  [/^(text_encoder_2|te2|clip_g)\./, 'text_encoder_2'],
  [/^(text_encoder_3|te3|t5xxl)\./, 't5'],
  [/^(model\.)?diffusion_model\./, 'unet'],
  [/^text_encoders\.clip_l\.(transformer\.)?/, 'text_encoder'],
  [/^text_encoders\.clip_g\.(transformer\.)?/, 'text_encoder_2'],
  [/^text_encoders\.t5xxl\.(transformer\.)?/, 't5'],
  [/^transformer\.(?=text_model\.)/, 'text_encoder'],
  [/^transformer\.(?!text_model\.)/, 'unet'],
];
/** The oldest of diffusers: `attn1.processor.to_q_lora.down.weight`. */
const PROCESSOR = /^(.+?)(?:\.processor)?\.(to_q|to_k|to_v|to_out)_lora\.(down|up)\.weight$/;
/** XLabs': the joint projections of picture (1) and text (2), or of both in a block of one sequence. */
const XLABS = /^(double|single)_blocks\.(\d+)\.processor\.(qkv|proj)_lora([12]?)\.(down|up)\.weight$/;
const T5_PATH = /^encoder[._]block[._]/;
const TEXT_PATH = /^(text_model[._]|encoder[._]layers[._]|embeddings[._]token|final_layer_norm)/;

/** The network that a module belongs to, by what its name says and by its path. */
function networkOf(module: string, said: LoraNetwork | undefined): LoraNetwork {
  // OneTrainer counts the text encoders of each model.
  if (T5_PATH.test(module) && said !== 'unet') return 't5';
  return said ?? (TEXT_PATH.test(module) ? 'text_encoder' : 'unet');
}

/**
 * Parses a name.
 *
 * @returns undefined for any other name, such as one of OFT
 */
export function loraName(name: string): LoraName | undefined {
  const [, short, module, ending] = KOHYA.exec(name) ?? [];
  if (module !== undefined) {
    const found = Object.hasOwn(ENDINGS, ending) ? ENDINGS[ending as keyof typeof ENDINGS] : undefined;
    // IA3's factors are called `weight`; whole weights have no place in these namings.
    const part = found === 'weight' ? 'factor' : found;
    if (part === undefined || part === 'bias') return undefined;
    return { network: networkOf(module, SHORT[short]), module: loraModule(module), part };
  }
  let path = name;
  let network: LoraNetwork | undefined;
  for (let changed = true; changed; ) {
    changed = false;
    for (const [prefix, says] of PREFIXES) {
      if (!prefix.test(path)) continue;
      path = path.replace(prefix, '');
      network = says ?? network;
      changed = true;
    }
  }
  const found = (stemInFile: string, part: LoraPart): LoraName => {
    const stem = isMotionName(stemInFile) ? (motionName(stemInFile) ?? stemInFile) : stemInFile;
    return { network: networkOf(stem, network), module: loraModule(stem), path: stem, part };
  };
  const [, kind, block, joint, stream, direction] = XLABS.exec(path) ?? [];
  if (kind !== undefined) {
    const place = `${kind}_blocks.${block}`;
    const single = joint === 'qkv' ? 'qkv' : 'linear2';
    const inner = kind === 'single' ? single : `${stream === '2' ? 'txt' : 'img'}_attn.${joint}`;
    return found(`${place}.${inner}`, direction as 'down' | 'up');
  }
  const [, attention, projection, side] = PROCESSOR.exec(path) ?? [];
  if (attention !== undefined) {
    return found(`${attention}.${projection === 'to_out' ? 'to_out.0' : projection}`, side as 'down' | 'up');
  }
  const last = ORDERED.find((each) => path.endsWith(`.${each}`));
  if (last === undefined || otherMethod(path) !== undefined) return undefined;
  const part = ENDINGS[last];
  // Whole weights and biases are those that PEFT saves with an adapter; elsewhere they are of another kind of file.
  if ((part === 'weight' || part === 'bias') && !name.startsWith('base_model.model.')) return undefined;
  return found(path.slice(0, -last.length - 1), part);
}
