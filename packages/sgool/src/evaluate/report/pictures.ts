/** @file Small pictures of cells for a page, as data URIs, up to a limit of bytes. A clip moves, and a sheet beside it shows its frames. */
import { existsSync } from 'node:fs';
import sharp from 'sharp';
import type { Image } from '../../image/image.ts';
import { resizeImage } from '../../image/resize.ts';
import { clipSheet } from '../../image/video/clip-sheet.ts';
import { videoEncoder } from '../../image/video/encode-video.ts';
import { readVideo } from '../../image/video/read-video.ts';
import type { DoneCell } from '../cells/cell-record.ts';
import { cellPaths } from '../cells/run-folder.ts';

/** Longer side of a picture in pixels, and of a frame on a sheet. */
const SIDE = 160;
const FRAME_SIDE = 72;
/** Frames in a row of the sheet, so that a telephone shows them in their size. */
const SHEET_COLUMNS = 4;
const QUALITY = 80;

interface Inline {
  readonly uri: string;
  readonly width: number;
  readonly height: number;
}

/** A picture; of a clip an animated one. */
export interface Picture extends Inline {
  /** Of a clip: all of its frames, with the boxes of their salient things. */
  readonly sheet?: Inline;
}

/** Why a picture is not shown. */
export type NoPicture = 'missing' | 'unreadable' | 'over the limit';

/** The pictures of an evaluation. Each one that is taken counts towards the limit. */
export class Pictures {
  readonly #folder: string;
  readonly #limit: number;
  readonly #made = new Map<string, Promise<Picture | NoPicture>>();
  /** Bytes of all pictures that were taken. */
  bytes = 0;

  constructor(folder: string, limit: number) {
    this.#folder = folder;
    this.#limit = limit;
  }

  /** The pictures of some cells: all of them, or where they do not fit, none. */
  async take(cells: readonly DoneCell[]): Promise<(Picture | NoPicture)[]> {
    if (this.bytes >= this.#limit) return cells.map(() => 'over the limit');
    const pictures = await Promise.all(cells.map((cell) => this.#picture(cell)));
    const bytes = pictures.reduce(
      (total, picture) => total + (typeof picture === 'string' ? 0 : bytesOf(picture)),
      0,
    );
    if (this.bytes + bytes > this.#limit) {
      this.bytes = this.#limit;
      return cells.map(() => 'over the limit');
    }
    this.bytes += bytes;
    return pictures;
  }

  #picture({ id, clip }: DoneCell): Promise<Picture | NoPicture> {
    const path = cellPaths(this.#folder, id).image;
    const made =
      this.#made.get(id) ?? shownOf(path, () => (clip ? smallClip(path, clip) : smallPicture(path)));
    this.#made.set(id, made);
    return made;
  }
}

const bytesOf = ({ uri, sheet }: Picture) => uri.length + (sheet?.uri.length ?? 0);

const webpUri = (data: Uint8Array) => `data:image/webp;base64,${Buffer.from(data).toString('base64')}`;

async function shownOf(path: string, make: () => Promise<Picture>): Promise<Picture | NoPicture> {
  if (!existsSync(path)) return 'missing';
  try {
    return await make();
  } catch {
    // A file that is no picture any more: the page says so in its place, all else is shown.
    return 'unreadable';
  }
}

async function smallPicture(path: string): Promise<Picture> {
  const { data, info } = await sharp(path)
    .resize({ width: SIDE, height: SIDE, fit: 'inside', withoutEnlargement: true })
    .webp({ quality: QUALITY })
    .toBuffer({ resolveWithObject: true });
  return { uri: webpUri(data), width: info.width, height: info.height };
}

async function smallClip(path: string, { regions }: NonNullable<DoneCell['clip']>): Promise<Picture> {
  const { frames, fps } = await readVideo(path);
  const scale = Math.min(1, SIDE / Math.max(frames[0].width, frames[0].height));
  const [width, height] = [frames[0].width, frames[0].height].map((side) =>
    Math.max(1, Math.round(side * scale)),
  );
  const small = scale === 1 ? frames : frames.map((frame) => resizeImage(frame, width, height));
  const encode = await videoEncoder('webp');
  const side = { least: FRAME_SIDE, most: FRAME_SIDE };
  const sheet = clipSheet({ frames, fps }, regions, {
    columns: Math.min(SHEET_COLUMNS, frames.length),
    side,
  });
  return {
    uri: webpUri(await encode({ frames: small, fps }, { quality: QUALITY })),
    width,
    height,
    sheet: { uri: webpUri(await stillWebp(sheet)), width: sheet.width, height: sheet.height },
  };
}

const stillWebp = ({ data, width, height }: Image): Promise<Uint8Array> =>
  sharp(data, { raw: { width, height, channels: 3 } })
    .webp({ quality: QUALITY })
    .toBuffer();
