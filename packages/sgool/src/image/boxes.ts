/** @file Boxes as a user writes them: `x,y,width,height` in whole pixels, several one after the other. */
import type { CropBox } from './crops.ts';

/**
 * Reads boxes: whole numbers between commas, four for each box. An empty text is no box.
 *
 * @returns undefined where the text is something else, or a box is empty
 */
export function parseBoxes(text: string): CropBox[] | undefined {
  if (text.trim() === '') return [];
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length % 4 !== 0 || !parts.every((part) => /^\d{1,6}$/.test(part))) return undefined;
  const numbers = parts.map(Number);
  const boxes = Array.from({ length: numbers.length / 4 }, (_, i) => {
    const [left, top, width, height] = numbers.slice(4 * i);
    return { left, top, width, height };
  });
  return boxes.every(({ width, height }) => width > 0 && height > 0) ? boxes : undefined;
}

/** The text that `parseBoxes` reads. */
export const boxText = ({ left, top, width, height }: CropBox): string => `${left},${top},${width},${height}`;
