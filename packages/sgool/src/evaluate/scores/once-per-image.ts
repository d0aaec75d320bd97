/** @file What a network sees in an image, computed once: a frame is scored by itself, and once more as one of its clip. */
import type { Image } from '../../image/image.ts';

/** Remembers what `see` found for as long as the image exists; what failed is tried again. */
export function oncePerImage<T>(see: (image: Image) => Promise<T>): (image: Image) => Promise<T> {
  const found = new WeakMap<Image, Promise<T>>();
  return (image) => {
    const known = found.get(image);
    if (known) return known;
    const seen = see(image);
    found.set(image, seen);
    seen.catch(() => found.delete(image));
    return seen;
  };
}
