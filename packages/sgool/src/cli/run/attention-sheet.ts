/** @file The contact sheet of `sgool attention`: for each word the maps of all layers and steps over the image. */
import { drawText, fitText, overlayHeatMap, pasteImage } from '../../image/draw.ts';
import { type Colour, createImage, type Image } from '../../image/image.ts';
import { bilinearMatrix, resamplePlane } from '../../image/resample.ts';
import { resizeImage } from '../../image/resize.ts';
import type { AttentionMaps, MappedImage } from '../../methods/attention-maps.ts';
import { maximum } from '../../numbers.ts';

/** Longer side of a map. */
const TILE = 120;
const GAP = 8;
const LABELS = 132;
const LINE = 12;
const INK: Colour = [40, 40, 46];
const PALE: Colour = [110, 110, 120];

/** `down 1.0`, for `down_blocks.1.attentions.0.transformer_blocks.0.attn2`; with the number of its block where there are several. */
export function shortLayerName(name: string): string {
  const [, part, block, transformer, layer] =
    /^(down|mid|up)_blocks?(?:\.(\d+))?\.attentions\.(\d+)\.transformer_blocks\.(\d+)\.attn2$/.exec(name) ??
    [];
  if (part === undefined) return name;
  const numbers = [block, transformer, layer === '0' ? undefined : layer].filter((one) => one !== undefined);
  return `${part} ${numbers.join('.')}`;
}

/** A row of the sheet: the maps of one layer, one for each step, or their mean over all layers. */
interface Row {
  readonly label: string;
  readonly detail: string;
  /** By step, [height, width] of a tile. */
  readonly maps: readonly Float32Array[];
}

/**
 * Draws the sheet. Each map is scaled to its own greatest value, which stands under it: the share of its attention that the position gives
 * that reads the word most.
 *
 * @param prompt its title
 */
export function attentionSheet(mapped: Omit<MappedImage, 'settings'>, prompt: string): Image {
  const { image, words, steps, layers } = mapped;
  const scale = TILE / Math.max(image.width, image.height);
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
  const ground = resizeImage(image, width, height);
  const rows = layers.length + (layers.length > 1 ? 1 : 0);
  const section = 3 * LINE + 2 * GAP + rows * (height + LINE + GAP);
  const sheetWidth = LABELS + Math.max(3, steps.length) * (width + GAP) + GAP;
  let sheet = createImage(sheetWidth, height + 2 * GAP + words.length * section + GAP, [255, 255, 255]);
  const write = (text: string, x: number, y: number, room: number, size = 1, colour = INK) => {
    sheet = drawText(sheet, fitText(text, Math.floor(room / size)), x, y, { colour, scale: size });
  };
  pasteImage(sheet, ground, GAP, GAP);
  const beside = width + 2 * GAP;
  write(prompt, beside, GAP, sheetWidth - beside, 2);
  write(`seed ${mapped.seed}`, beside, GAP + 2 * LINE + 4, sheetWidth - beside, 1, PALE);
  write(
    'each map is scaled to its greatest value, which is written below it',
    beside,
    GAP + 3 * LINE + 8,
    sheetWidth - beside,
    1,
    PALE,
  );

  words.forEach(({ word, tokens }, w) => {
    const top = height + 2 * GAP + w * section;
    write(word, GAP, top, LABELS - GAP, 2);
    write(`token ${tokens.join(', ')}`, GAP, top + 2 * LINE, LABELS - GAP, 1, PALE);
    steps.forEach((step, s) => {
      write(`step ${step}`, LABELS + s * (width + GAP), top + 2 * LINE, width, 1, PALE);
    });
    rowsOf(mapped, w, width, height).forEach(({ label, detail, maps }, r) => {
      const y = top + 3 * LINE + GAP + r * (height + LINE + GAP);
      write(label, GAP, y + Math.floor(height / 2) - LINE, LABELS - GAP);
      write(detail, GAP, y + Math.floor(height / 2) + 2, LABELS - GAP, 1, PALE);
      maps.forEach((map, s) => {
        const x = LABELS + s * (width + GAP);
        const greatest = maximum(map);
        const shown = greatest === 0 ? map : map.map((value) => value / greatest);
        pasteImage(sheet, overlayHeatMap(ground, shown), x, y);
        write(`${(100 * greatest).toFixed(greatest < 0.1 ? 1 : 0)}%`, x, y + height + 3, width, 1, PALE);
      });
    });
  });
  return sheet;
}

function rowsOf(
  { layers, steps, maps }: Pick<MappedImage, 'layers' | 'steps' | 'maps'>,
  word: number,
  width: number,
  height: number,
): Row[] {
  const enlarged = ({ layer, words }: AttentionMaps) =>
    resamplePlane(
      words[word],
      layer.columns,
      bilinearMatrix(layer.rows, height),
      bilinearMatrix(layer.columns, width),
    );
  const rows = layers.map((layer): Row => {
    const own = maps.filter((each) => each.layer === layer);
    return {
      label: shortLayerName(layer.name),
      detail: `${layer.rows}x${layer.columns}`,
      maps: own.map(enlarged),
    };
  });
  if (rows.length === 1) return rows;
  const means = steps.map((_, s) =>
    rows[0].maps[s].map((_, i) => rows.reduce((sum, row) => sum + row.maps[s][i], 0) / rows.length),
  );
  return [{ label: 'mean', detail: `of ${rows.length} layers`, maps: means }, ...rows];
}
