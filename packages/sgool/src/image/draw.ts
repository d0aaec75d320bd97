/** @file Drawing: heat maps over images, boxes, text, sheets of images with captions. */

import { clamp } from '../numbers.ts';
import { heatColour } from './colour.ts';
import { GLYPH_HEIGHT, glyph, textWidth } from './font.ts';
import { type Colour, createImage, type Image } from './image.ts';
import { resizeImage } from './resize.ts';

/** A rectangle in pixels; fractions are rounded when it is drawn. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** How a heat map is drawn. */
export interface HeatMapOptions {
  /** Opacity of the colours at the map's maximum, in [0, 1]. Default 0.75. */
  opacity?: number;
}

/**
 * Draws a heat map over an image: grey and dark where the map is low, glowing where it is high.
 *
 * @param map `[height, width]` of the image; values are clamped to [0, 1]
 * @throws RangeError when the map has another size than the image
 */
export function overlayHeatMap(
  image: Image,
  map: ArrayLike<number>,
  { opacity = 0.75 }: HeatMapOptions = {},
): Image {
  const { width, height, data } = image;
  if (map.length !== width * height) {
    throw new RangeError(
      `overlayHeatMap: [${height}, ${width}] needs ${width * height} values, got ${map.length}`,
    );
  }
  const heat = Array.from({ length: 256 }, (_, i) => heatColour(i / 255));
  const out = new Uint8ClampedArray(data.length);
  for (let i = 0; i < map.length; i++) {
    const value = clamp(map[i], 0, 1);
    const glow = heat[Math.round(255 * value)];
    const light = 0.299 * data[3 * i] + 0.587 * data[3 * i + 1] + 0.114 * data[3 * i + 2];
    const grey = 0.6 * (1 - value);
    const dim = 0.7 + 0.3 * value;
    const cover = opacity * Math.min(1, 0.3 + value);
    // The image's lightness stays visible in the glow, so that shapes remain recognisable.
    const shade = 0.8 + (0.25 * light) / 255;
    for (let c = 0; c < 3; c++) {
      const ground = dim * ((1 - grey) * data[3 * i + c] + grey * light);
      out[3 * i + c] = (1 - cover) * ground + cover * shade * glow[c];
    }
  }
  return createImage(width, height, new Uint8Array(out.buffer));
}

function fillRectangle(
  data: Uint8Array,
  imageWidth: number,
  imageHeight: number,
  box: Box,
  colour: Colour,
): void {
  const left = Math.max(0, box.x);
  const right = Math.min(imageWidth, box.x + box.width);
  for (let y = Math.max(0, box.y); y < Math.min(imageHeight, box.y + box.height); y++) {
    for (let x = left; x < right; x++) data.set(colour, 3 * (y * imageWidth + x));
  }
}

/** How boxes are drawn. */
export interface BoxOptions {
  colour?: Colour;
  /** Width of the coloured line in pixels; a dark line of half that width lies on either side. */
  thickness?: number;
}

/** Draws outlines just inside the boxes; a dark edge keeps them visible on any background. The image is copied. */
export function drawBoxes(
  image: Image,
  boxes: readonly Box[],
  { colour = [255, 255, 255], thickness = 2 }: BoxOptions = {},
): Image {
  const { width, height } = image;
  const data = image.data.slice();
  const edge = Math.max(1, Math.round(thickness / 2));
  const outline = ({ x, y, width: w, height: h }: Box, line: number, ink: Colour) => {
    fillRectangle(data, width, height, { x, y, width: w, height: line }, ink);
    fillRectangle(data, width, height, { x, y: y + h - line, width: w, height: line }, ink);
    fillRectangle(data, width, height, { x, y, width: line, height: h }, ink);
    fillRectangle(data, width, height, { x: x + w - line, y, width: line, height: h }, ink);
  };
  for (const box of boxes) {
    const left = Math.max(0, Math.round(box.x));
    const top = Math.max(0, Math.round(box.y));
    const right = Math.min(width, Math.round(box.x + box.width));
    const bottom = Math.min(height, Math.round(box.y + box.height));
    const outer = { x: left, y: top, width: right - left, height: bottom - top };
    const inner = {
      x: left + edge,
      y: top + edge,
      width: right - left - 2 * edge,
      height: bottom - top - 2 * edge,
    };
    outline(outer, thickness + 2 * edge, [20, 20, 24]);
    outline(inner, thickness, colour);
  }
  return createImage(width, height, data);
}

/** How text is drawn. */
export interface TextOptions {
  colour?: Colour;
  /** Pixels per font pixel. */
  scale?: number;
}

/** Writes one line of text with its upper left corner at (x, y) in pixels; parts outside the image are cut off. */
export function drawText(
  image: Image,
  text: string,
  x: number,
  y: number,
  { colour = [0, 0, 0], scale = 1 }: TextOptions = {},
): Image {
  const data = image.data.slice();
  let left = x;
  for (const letter of text) {
    const rows = glyph(letter);
    rows.forEach((row, dy) => {
      [...row].forEach((ink, dx) => {
        if (ink !== '#') return;
        const dot = { x: left + dx * scale, y: y + dy * scale, width: scale, height: scale };
        fillRectangle(data, image.width, image.height, dot, colour);
      });
    });
    left += (rows[0].length + 1) * scale;
  }
  return createImage(image.width, image.height, data);
}

/** Draws an image with its upper left corner at (x, y) into another one, which is changed. It must lie inside. */
export function pasteImage(sheet: Image, { width, height, data }: Image, x: number, y: number): void {
  for (let row = 0; row < height; row++) {
    const line = data.subarray(3 * row * width, 3 * (row + 1) * width);
    sheet.data.set(line, 3 * ((y + row) * sheet.width + x));
  }
}

/** Shortens a caption to the width of its image. */
export function fitText(text: string, room: number): string {
  if (textWidth(text) <= room) return text;
  const letters = [...text];
  while (letters.length > 0 && textWidth(`${letters.join('')}..`) > room) letters.pop();
  return `${letters.join('').trimEnd()}..`;
}

/** How images are arranged. */
export interface SheetOptions {
  /** One line under each image. */
  captions?: readonly string[];
  /** Images in a row. Default: all of them. */
  columns?: number;
  /** Pixels between images and around them. */
  gap?: number;
  background?: Colour;
  textColour?: Colour;
  /** Pixels per font pixel of the captions. */
  textScale?: number;
}

/**
 * Arranges images side by side in rows, with captions under them. Images are scaled to the size of the first one.
 *
 * @throws RangeError when there is no image
 */
export function arrangeImages(images: readonly Image[], options: SheetOptions = {}): Image {
  const { captions = [], columns = images.length, gap = 6, background = [255, 255, 255] } = options;
  const { textColour = [60, 60, 68], textScale = 1 } = options;
  if (images.length === 0) throw new RangeError('arrangeImages: needs an image, got none');
  const { width, height } = images[0];
  const across = clamp(columns, 1, images.length);
  const down = Math.ceil(images.length / across);
  const captionHeight = captions.length > 0 ? (GLYPH_HEIGHT + 4) * textScale : 0;
  const sheetWidth = across * (width + gap) + gap;
  let sheet = createImage(sheetWidth, down * (height + captionHeight + gap) + gap, background);
  images.forEach((image, i) => {
    const x = gap + (i % across) * (width + gap);
    const y = gap + Math.floor(i / across) * (height + captionHeight + gap);
    pasteImage(sheet, resizeImage(image, width, height), x, y);
    if (captions[i] === undefined) return;
    const caption = fitText(captions[i], Math.floor(width / textScale));
    const indent = Math.floor((width - textWidth(caption) * textScale) / 2);
    sheet = drawText(sheet, caption, x + indent, y + height + 4 * textScale, {
      colour: textColour,
      scale: textScale,
    });
  });
  return sheet;
}
