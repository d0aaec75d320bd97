/** @file Small pictures of cells for a page, as data URIs, up to a limit of bytes. */
import { existsSync } from 'node:fs';
import sharp from 'sharp';
import type { DoneCell } from '../cells/cell-record.ts';
import { cellPaths } from '../cells/run-folder.ts';

/** Longer side of a picture in pixels. */
const SIDE = 160;
const QUALITY = 80;

export interface Picture {
  readonly uri: string;
  readonly width: number;
  readonly height: number;
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
    const pictures = await Promise.all(cells.map(({ id }) => this.#picture(id)));
    const bytes = pictures.reduce(
      (total, picture) => total + (typeof picture === 'string' ? 0 : picture.uri.length),
      0,
    );
    if (this.bytes + bytes > this.#limit) {
      this.bytes = this.#limit;
      return cells.map(() => 'over the limit');
    }
    this.bytes += bytes;
    return pictures;
  }

  #picture(id: string): Promise<Picture | NoPicture> {
    const made = this.#made.get(id) ?? smallPicture(cellPaths(this.#folder, id).image);
    this.#made.set(id, made);
    return made;
  }
}

async function smallPicture(path: string): Promise<Picture | NoPicture> {
  if (!existsSync(path)) return 'missing';
  try {
    const { data, info } = await sharp(path)
      .resize({ width: SIDE, height: SIDE, fit: 'inside', withoutEnlargement: true })
      .webp({ quality: QUALITY })
      .toBuffer({ resolveWithObject: true });
    const uri = `data:image/webp;base64,${data.toString('base64')}`;
    return { uri, width: info.width, height: info.height };
  } catch {
    // A file that is no picture any more: the page says so in its place, all else is shown.
    return 'unreadable';
  }
}
