/**
 * @file The configuration of an adapter of PEFT: `adapter_config.json` beside `adapter_model.safetensors`, or the same keys in
 * the metadata that diffusers writes (`lora_adapter_metadata`).
 *
 * Reference: huggingface/peft 0.21, tuners/lora/config.py (LoraConfig), tuners/loha/config.py, tuners/lokr/config.py,
 * utils/other.py (get_pattern_key), tuners/lora/layer.py (update_layer)
 */
import { UserError } from '../../errors.ts';
import type { Config } from '../sources/read-config.ts';

/** What PEFT's configuration says about strengths. */
export interface PeftSettings {
  /** What PEFT calls the method. */
  readonly type: 'LORA' | 'LOHA' | 'LOKR';
  /** The factor of a module's change: alpha / rank, with rank-stabilised scaling alpha / sqrt(rank). */
  scale(path: string, rank: number): number;
  /** Whether every module must have a magnitude (DoRA). */
  readonly usesDora: boolean;
}

/** Keys that decide how strong a change is, or that the tensors of the file must agree with. */
const HONOURED = [
  'peft_type',
  'r',
  'lora_alpha',
  'alpha',
  'use_rslora',
  'rank_pattern',
  'alpha_pattern',
  'use_dora',
  'init_lora_weights',
];

/**
 * Keys without an effect on a trained adapter: descriptions, settings of the training, choices of modules (the tensors show
 * which were chosen), and settings of a feature that another key switches on.
 */
const WITHOUT_EFFECT = [
  'auto_mapping',
  'base_model_name_or_path',
  'bias',
  'corda_config',
  'decompose_both',
  'decompose_factor',
  'ensure_weight_tying',
  'eva_config',
  'exclude_modules',
  // PEFT itself sets it to false for the layers of these networks.
  'fan_in_fan_out',
  'inference_mode',
  'init_weights',
  'layers_pattern',
  'layers_to_transform',
  'loftq_config',
  'lora_bias',
  'lora_dropout',
  'lora_ga_config',
  'megatron_core',
  'module_dropout',
  'modules_to_save',
  'peft_version',
  'qalora_group_size',
  'rank_dropout',
  'rank_dropout_scale',
  'revision',
  'runtime_config',
  'target_modules',
  'task_type',
  'use_effective_conv2d',
];

/** Starts of training that leave the model's own weights as they are; the others (PiSSA, OLoRA, CorDA...) change those too. */
const PLAIN_STARTS = ['gaussian', 'eva', 'orthogonal'];

const TYPES = ['LORA', 'LOHA', 'LOKR'] as const;

const MAX_PATTERN = 300;
const MAX_PATTERNS = 5000;

const isEmpty = (value: unknown): boolean =>
  value === null ||
  value === false ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value as object).length === 0);

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** One entry of a pattern: a suffix of a module's path, or a regular expression for one. */
interface Pattern {
  matches(path: string): boolean;
  readonly value: number;
}

/**
 * PEFT's `re.match(rf"(.*\.)?({key})$", path)`. Expressions that could take for ever (a repeated group, many repetitions)
 * are refused, since the file comes from elsewhere.
 */
function patternOf(key: string, value: unknown, owner: string, name: string): Pattern {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new UserError(`${owner}: ${name} of ${shown(key)} must be a number from 0, got ${shown(value)}`);
  }
  if (/^[\w.]+$/.test(key)) {
    // A dot is any character in a regular expression, and a path has no other where a dot stands.
    return { matches: (path) => path === key || path.endsWith(`.${key}`), value };
  }
  const isSlow = key.length > MAX_PATTERN || /\)\s*[*+{]/.test(key) || (key.match(/[*+{]/g) ?? []).length > 3;
  let expression: RegExp | undefined;
  try {
    if (!isSlow) expression = new RegExp(`^(?:.*\\.)?(?:${key})$`, 'u');
  } catch {
    expression = undefined;
  }
  if (expression === undefined) {
    throw new UserError(
      `${owner}: ${name} has the expression ${shown(key)}, which is not supported; name the modules, or use at most three repetitions`,
    );
  }
  const compiled = expression;
  return { matches: (path) => compiled.test(path), value };
}

function patternsOf(config: Config, name: string, owner: string): Pattern[] {
  const value = config[name] ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new UserError(`${owner}: ${name} must be an object of numbers by module, got ${shown(value)}`);
  }
  const entries = Object.entries(value as object);
  if (entries.length > MAX_PATTERNS) {
    throw new UserError(
      `${owner}: ${name} has ${entries.length} entries, at most ${MAX_PATTERNS} are supported`,
    );
  }
  return entries.map(([key, item]) => patternOf(key, item, owner, name));
}

function checkKeys(config: Config, owner: string): void {
  for (const [key, value] of Object.entries(config)) {
    if (HONOURED.includes(key) || WITHOUT_EFFECT.includes(key) || isEmpty(value)) continue;
    throw new UserError(
      `${owner}: ${key} is not supported, got ${shown(value)}; use an adapter that was trained without it`,
    );
  }
  const start = config.init_lora_weights ?? true;
  if (typeof start === 'string' && !PLAIN_STARTS.includes(start.toLowerCase())) {
    throw new UserError(
      `${owner}: init_lora_weights ${shown(start)} also changes the model's own weights, which is not supported; save the adapter with path_initial_model_for_weight_conversion`,
    );
  }
}

function numberOf(config: Config, keys: readonly string[], fallback: number, owner: string): number {
  const key = keys.find((each) => config[each] !== undefined && config[each] !== null);
  if (key === undefined) return fallback;
  const value = config[key];
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new UserError(`${owner}: ${key} must be a number, got ${shown(value)}`);
  }
  return value;
}

/**
 * Reads the configuration of an adapter.
 *
 * @param owner names the file in messages
 * @throws UserError that names the first key that is not supported
 */
export function peftSettings(config: Config, owner: string): PeftSettings {
  const type = TYPES.find((each) => each === (config.peft_type ?? 'LORA'));
  if (type === undefined) {
    throw new UserError(
      `${owner}: peft_type is not supported, got ${shown(config.peft_type)}; ${TYPES.join(', ')} are`,
    );
  }
  checkKeys(config, owner);
  // PEFT's defaults of both are 8.
  const r = numberOf(config, ['r'], 8, owner);
  const alpha = numberOf(config, ['lora_alpha', 'alpha'], 8, owner);
  const ranks = patternsOf(config, 'rank_pattern', owner);
  const alphas = patternsOf(config, 'alpha_pattern', owner);
  const isStabilised = config.use_rslora === true;
  const first = (patterns: readonly Pattern[], path: string, fallback: number) =>
    patterns.find((pattern) => pattern.matches(path))?.value ?? fallback;
  return {
    type,
    usesDora: config.use_dora === true,
    scale(path, rank) {
      const stated = first(ranks, path, r);
      if (type === 'LORA' && stated !== rank) {
        throw new UserError(
          `${owner}: the rank of ${path} is ${stated}, but its matrices have rank ${rank}; take both files from one training`,
        );
      }
      const strength = first(alphas, path, alpha);
      return isStabilised ? strength / Math.sqrt(stated) : strength / stated;
    },
  };
}

/** The part of diffusers' metadata about one network: `unet.lora_alpha` and the like; undefined where there is none. */
export function metadataOf(all: Config, network: string): Config | undefined {
  const prefix = `${network}.`;
  const own = Object.entries(all).flatMap(([key, value]) =>
    key.startsWith(prefix) ? [[key.slice(prefix.length), value] as const] : [],
  );
  return own.length === 0 ? undefined : Object.fromEntries(own);
}
