import { expect, it } from 'vitest';
import { createImage } from '../../image/image.ts';
import { oncePerImage } from './once-per-image.ts';

it('sees an image once, another one by itself, and tries again what failed', async () => {
  const seen: number[] = [];
  let fails = false;
  const see = oncePerImage(async ({ width }) => {
    seen.push(width);
    if (fails) throw new Error('dark');
    return 2 * width;
  });
  const [one, other, third] = [1, 2, 3].map((side) => createImage(side, side));
  expect(await Promise.all([see(one), see(one), see(other)])).toEqual([2, 2, 4]);
  expect(seen).toEqual([1, 2]);
  fails = true;
  await expect(see(third)).rejects.toThrow('dark');
  fails = false;
  expect(await see(third)).toBe(6);
  expect(seen).toEqual([1, 2, 3, 3]);
});
