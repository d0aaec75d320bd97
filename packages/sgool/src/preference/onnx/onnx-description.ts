/** @file The description of an ONNX file: `mine.json` beside `mine.onnx`. */
import { z } from 'zod';
import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import { parseJson } from '../../platform/json.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';

const colour = z.tuple([z.number(), z.number(), z.number()]);

/** How a network reads an image. */
export const imageSchema = z.strictObject({
  /** Name of the input. */
  input: z.string().min(1),
  /** Side of the square image, in pixels. */
  size: z.int().min(1).max(4096),
  layout: z.enum(['NCHW', 'NHWC']).default('NCHW'),
  /** Values of black and white, before mean and std. */
  range: z
    .tuple([z.number(), z.number()])
    .refine(([black, white]) => black !== white, 'black and white must differ')
    .default([0, 1]),
  /** Subtracted from red, green, blue. */
  mean: colour.default([0, 0, 0]),
  /** Divided by. */
  std: colour.refine((values) => values.every((value) => value > 0), 'must be above 0').default([1, 1, 1]),
  /** `crop`: shorter side to size, centre; `pad`: longer side to size, on black; `squash`: both sides. Bicubic. */
  resize: z.enum(['crop', 'pad', 'squash']).default('crop'),
});
/** How a network reads an image. */
export type OnnxImage = z.output<typeof imageSchema>;

const textSchema = z.strictObject({
  /** Name of the input of token ids. */
  input: z.string().min(1),
  /** Folder with a tokenizer (`tokenizer.json`; CLIP's `vocab.json` and `merges.txt`, T5's `spiece.model`, BERT's `vocab.txt`), from the file on; or a pulled model. */
  tokenizer: z.string().min(1),
  /** Number of ids; longer prompts are cut off, their end token kept. */
  length: z.int().min(3).max(4096).default(77),
  /** Name of an input that is 1 for ids of the prompt and 0 for those after it. */
  mask: z.string().min(1).optional(),
});
/** How a network reads a prompt. */
export type OnnxText = z.output<typeof textSchema>;

/** What every description has. */
export const networkKeys = {
  /** As in tables; default: the name of the file. */
  title: z.string().min(1).optional(),
  image: imageSchema,
  /** Name of the output; default: the only one. */
  output: z.string().min(1).optional(),
};

const scorerSchema = z.strictObject({
  ...networkKeys,
  text: textSchema.optional(),
  /** Which number of the output, of those of one image. */
  index: z.int().min(0).default(0),
  /** Scale and meaning, in one line. */
  scale: z.string().min(1),
  higherIsBetter: z.boolean(),
  /** Whether a mean over prompts means anything. */
  averaged: z.boolean(),
  /** Decimals that distinguish images. */
  digits: z.int().min(0).max(10).default(3),
  /** Differences up to this one are ties; default: one unit of the last decimal. */
  tie: z.number().min(0).optional(),
});
/** What an ONNX scorer reads and gives. */
export type OnnxDescription = z.output<typeof scorerSchema>;

/** A description that works for many scorers, for messages. */
const EXAMPLE =
  '{"image": {"input": "image", "size": 224}, "scale": "0 to 1", "higherIsBetter": true, "averaged": true}';

/** The name of an ONNX file: without folder and ending. */
export const onnxName = (path: string): string => places.basename(path).replace(/\.onnx$/i, '');

/**
 * Reads the description beside an ONNX file by a schema.
 *
 * @param who names the user of the file in messages
 * @param example a description that works, for messages
 * @throws UserError in one line: there is none, it is not JSON, or which key is wrong
 */
export async function readBeside<Schema extends z.ZodType>(
  path: string,
  who: string,
  schema: Schema,
  example: string,
): Promise<z.output<Schema>> {
  const place = places.join(places.dirname(path), `${onnxName(path)}.json`);
  if (!(await files.exists(place))) {
    throw new UserError(
      `${who}: ${place}: there is no such file; it describes the network, for instance ${example}`,
    );
  }
  const text = await files.readText(place, SIZE_LIMITS.settings);
  const result = schema.safeParse(parseJson(text, `${who}: ${place}`));
  if (result.success) return result.data;
  const [{ path: key, message }] = result.error.issues;
  throw new UserError(`${who}: ${place}: ${key.join('.') || 'the whole'}: ${message}`);
}

/** Reads the description beside an ONNX scorer. @throws UserError as {@link readBeside} does */
export const readScorerDescription = (path: string, who: string): Promise<OnnxDescription> =>
  readBeside(path, who, scorerSchema, EXAMPLE);
