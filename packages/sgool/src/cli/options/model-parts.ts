/**
 * @file Options that say where parts of a model come from: what a single file or a plain Stable Diffusion folder does not
 * bring along (a CLIP that guides, a tokenizer), and what changes it (an autoencoder, LoRAs).
 */
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { LoadOptions } from '../../pipeline/load-pipeline.ts';
import { USAGE_ERROR } from '../exit-codes.ts';
import type { Host } from '../host.ts';

/** What is said of the parts of a model, as texts. */
export interface ModelParts {
  clip?: string;
  tokenizer?: string;
  vae?: string;
  lora?: string;
  modelConfig?: string;
  variant?: string;
  prediction?: 'epsilon' | 'v_prediction';
  ema?: boolean;
  memory?: 'auto' | 'plenty' | 'low';
}

const place = 'folder, file, or org/name of a pulled model';

/** Schemas with the words of the help, by key. */
export const PART_SCHEMAS = {
  clip: z.string().min(1).describe(`CLIP that guides the image: ${place}`),
  tokenizer: z
    .string()
    .min(1)
    .describe('folder with vocab.json and merges.txt, or org/name of a pulled model'),
  vae: z.string().min(1).describe(`another autoencoder: ${place}`),
  lora: z.string().min(1).describe('LoRA files with their weights: style.safetensors:0.8,hands.safetensors'),
  modelConfig: z
    .string()
    .min(1)
    .describe('folder with the config.json files of a single-file model that is built in an unusual way'),
  variant: z.string().min(1).describe('which weight files of a folder to take, for instance fp16'),
  prediction: z
    .enum(['epsilon', 'v_prediction'])
    .describe('what a single-file model predicts, where it is not found out right'),
  memory: z
    .enum(['auto', 'plenty', 'low'])
    .describe(
      'plenty: a little faster for large images; low: less memory for about a third more time (auto)',
    ),
  ema: z.boolean().describe('take the weights that were not averaged, where a file has both'),
} satisfies Record<keyof ModelParts, z.ZodType>;

export const PART_KEYS = Object.keys(PART_SCHEMAS) as readonly (keyof ModelParts)[];
export const PARTS_GROUP = 'Parts of the model:';

/** `file` or `file:weight`, several with commas. */
function parseLoras(text: string) {
  return text.split(',').map((item) => {
    const [, path, weight] = /^\s*(.*?)(?::([-+]?(?:\d+\.?\d*|\.\d+)))?\s*$/.exec(item) ?? [];
    if (!path) {
      throw new UserError(`--lora: not usable, got ${text}; give file or file:weight, several with commas`, {
        exitCode: USAGE_ERROR,
      });
    }
    return weight === undefined ? { path } : { path, weight: Number(weight) };
  });
}

/** The parts among other values; nothing for what is left open. */
export function partsOf(values: ModelParts): ModelParts {
  return Object.fromEntries(
    PART_KEYS.flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]])),
  );
}

/** What the library is told. @throws UserError for a list of LoRAs that is none */
export function loadOptionsOf(values: ModelParts): LoadOptions {
  const { lora, modelConfig, prediction, ...same } = partsOf(values);
  return {
    ...same,
    ...(lora === undefined ? {} : { loras: parseLoras(lora) }),
    ...(modelConfig === undefined ? {} : { config: modelConfig }),
    ...(prediction === undefined ? {} : { predictionType: prediction }),
  };
}

/** Adds `--clip` and `--tokenizer`, else SGOOL_CLIP and SGOOL_TOKENIZER, to a command that looks at images only. */
export function addCriticOptions(command: Command, { env }: Host): Command {
  return command
    .addOption(
      new Option('--clip <place>', PART_SCHEMAS.clip.description).default(env.SGOOL_CLIP || undefined),
    )
    .addOption(
      new Option('--tokenizer <place>', PART_SCHEMAS.tokenizer.description).default(
        env.SGOOL_TOKENIZER || undefined,
      ),
    );
}
