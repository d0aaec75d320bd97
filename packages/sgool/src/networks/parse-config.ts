/**
 * @file Checking the public `config.json` files. Keys keep their public names; a missing key has the default of diffusers or
 * transformers; keys that no network reads are dropped.
 */
import { z } from 'zod';
import { UserError } from '../errors.ts';
import { describeLimit, type LimitedKey, limited, MOST_BLOCKS, PRODUCTS } from './config-limits.ts';

/** A feature that is not supported: the key must be null, false or absent. */
export const off = z.union([z.null(), z.literal(false)], { error: 'must be null or left out' }).optional();

/** A number for each block, where there must be at least one. */
export function blocks(key: LimitedKey) {
  const error = `must be a list of 1 to ${MOST_BLOCKS} numbers, each of which ${describeLimit(key)}`;
  return z.array(limited(key), { error }).min(1, { error }).max(MOST_BLOCKS, { error });
}

/** One number for all blocks, or one for each. */
export function perBlock(key: LimitedKey, fallback: number) {
  const error = `${describeLimit(key)}, or a list of such numbers`;
  return z.union([limited(key), blocks(key)], { error }).default(fallback);
}

/** Reports a key whose number does not fit those of other keys. */
export function misfit(ctx: z.RefinementCtx, path: readonly string[], message: string): void {
  ctx.addIssue({ code: 'custom', path: [...path], message });
}

/** Checks how many layers of attention a network has in all. */
export function limitAttentionLayers(ctx: z.RefinementCtx, key: string, layers: number): void {
  if (layers <= PRODUCTS.attentionLayers) return;
  misfit(
    ctx,
    [key],
    `makes ${layers} layers of attention; there must be at most ${PRODUCTS.attentionLayers}`,
  );
}

/** Checks that heads divide a width, as attention needs. */
export function checkHeads(
  { hidden_size: width, num_attention_heads: heads }: { hidden_size: number; num_attention_heads: number },
  ctx: z.RefinementCtx,
): void {
  if (width % heads === 0) return;
  misfit(ctx, ['num_attention_heads'], `must divide hidden_size (${width})`);
}

/** Checks that an image has patches, and no more than attention can take. */
export function checkPatches(
  { image_size: side, patch_size: patch }: { image_size: number; patch_size: number },
  ctx: z.RefinementCtx,
): void {
  if (patch > side) misfit(ctx, ['patch_size'], `must be at most image_size (${side})`);
  else if (Math.floor(side / patch) ** 2 > PRODUCTS.patches) {
    const most = `(image_size ${side} / patch_size)² must be at most ${PRODUCTS.patches} patches`;
    misfit(ctx, ['patch_size'], most);
  }
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
  throw new UserError(`${owner}: ${key} is not supported, got ${shown(got)}; ${reason}`);
}

/** A value of a file in a line: short, and numbers beyond float64 as what they are. */
function shown(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
