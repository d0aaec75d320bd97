/**
 * @file Checking the public `config.json` files. Keys keep their public names; a missing key has the default of diffusers or
 * transformers; keys that no network reads are dropped.
 */
import { z } from 'zod';
import { UserError } from '../errors.ts';

/** A whole number from 1. */
export const count = z.int().positive();
/** A feature that is not supported: the key must be null, false or absent. */
export const off = z.union([z.null(), z.literal(false)], { error: 'must be null or left out' }).optional();

/** One number for all blocks, or one for each. */
export function perBlock(fallback: number) {
  return z.union([count, z.array(count).nonempty()]).default(fallback);
}

/** Repeats a single number for each block; a list must have one entry for each. */
export function spread(
  key: string,
  value: number | readonly number[],
  blocks: number,
  ctx: z.RefinementCtx,
): number[] {
  if (typeof value === 'number') return new Array<number>(blocks).fill(value);
  if (value.length !== blocks) {
    ctx.addIssue({
      code: 'custom',
      path: [key],
      message: `must have one entry for each of ${blocks} blocks`,
    });
  }
  return [...value];
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Checks a config.
 *
 * @param owner names the file in messages
 * @throws UserError in one line: the first wrong key, its value, what is supported
 */
export function parseConfig<T extends z.ZodType>(schema: T, config: unknown, owner: string): z.output<T> {
  const result = schema.safeParse(config);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const key = issue.path.join('.') || 'the file';
  let got = config;
  for (const step of issue.path) got = (got as Record<PropertyKey, unknown> | undefined)?.[step];
  const reason = issue.message.replace(/^Invalid \w+: /, '');
  throw new UserError(`${owner}: ${key} is not supported, got ${JSON.stringify(got)}; ${reason}`);
}
