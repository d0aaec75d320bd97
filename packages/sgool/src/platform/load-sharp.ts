/** @file sharp, which decodes and encodes pictures on Node. Loaded when it is needed: most commands never do. */
import type sharp from 'sharp';
import { UserError } from '../errors.ts';

/** @throws UserError in one line where it cannot be loaded */
export async function loadSharp(): Promise<typeof sharp> {
  try {
    return (await import('sharp')).default;
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n');
    throw new UserError(`the decoder of pictures (sharp) cannot be loaded: ${reason}`, { cause });
  }
}
