/**
 * @file What sgool needs from the machine that it runs on. `node.ts` provides it on Node, `web.ts` in a browser;
 * `package.json` (`imports`, `#platform`) chooses between them. Nothing else in the library depends on the platform.
 *
 * A *place* is the path of a file or folder on Node, and its URL in a browser.
 */
import type { SizeLimit } from './size-limits.ts';

/** A file that is open for reading, or bytes that stand for one. */
export interface FileBytes {
  /** The place as the user wrote it; for messages. */
  readonly path: string;
  /** The place with symbolic links resolved (a Hub snapshot consists of links): ONNX Runtime refuses links. */
  readonly realPath: string;
  /** In bytes. */
  readonly size: number;
  /** @throws UserError when the range goes beyond the end of the file */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** Arithmetic with places. */
export interface Places {
  join(...parts: readonly string[]): string;
  dirname(place: string): string;
  basename(place: string): string;
  /** The absolute form of a place. */
  resolve(place: string): string;
}

/** Files that are read. Paths on Node; URLs in a browser. */
export interface Files {
  /** @throws UserError when the file is missing, cannot be read, is larger than the limit, or is not in UTF-8 */
  readText(place: string, limit: SizeLimit): Promise<string>;
  /** @throws UserError when the file is missing, cannot be read, or is larger than the limit */
  readBytes(place: string, limit: SizeLimit): Promise<Uint8Array<ArrayBuffer>>;
  /** Whether there is a file or folder. A browser knows this for files only. */
  exists(place: string): Promise<boolean>;
  /** Whether the place is a file; false for a folder and where there is nothing. */
  isFile(place: string): Promise<boolean>;
  /** Whether the place is a folder. A browser takes every place that is not a file for a folder. */
  isFolder(place: string): Promise<boolean>;
  /** Names of the entries of a folder, or undefined where folders cannot be listed, as in a browser. */
  list(folder: string): Promise<string[] | undefined>;
  /**
   * Opens a file, calls `use` with it, closes it.
   *
   * @throws UserError when it is missing, not a file, or not readable
   */
  withFile<T>(place: string, use: (file: FileBytes) => Promise<T>): Promise<T>;
  /**
   * Reads a range of bytes synchronously, for the few tensors that are needed in memory while a network is traced. In a
   * browser this works in a Web Worker only.
   *
   * @throws UserError when the file is missing or ends before the range does
   */
  readRangeSync(place: string, offset: number, length: number): Uint8Array<ArrayBuffer>;
}

/** The local disk, for finding models that were downloaded or added earlier. In a browser it is empty. */
export interface Disk {
  exists(path: string): boolean;
  isFolder(path: string): boolean;
  /** Whether the path is a symbolic link. */
  isLink(path: string): boolean;
  /** Names of the entries of a folder; none where there is no such folder. */
  list(path: string): string[];
  /** Size of a file in bytes; 0 where there is none. */
  size(path: string): number;
  /**
   * The text of a file, or undefined where there is none.
   *
   * @throws UserError where there is one that cannot be read
   */
  readText(path: string, limit: SizeLimit): string | undefined;
}

/** zlib and gzip. */
export interface Compression {
  /** zlib format, at its default level 6: level 9 takes up to nine times as long for pictures that are 2 to 6 % smaller. */
  deflate(bytes: Uint8Array): Uint8Array;
  /** @throws when the bytes are not in zlib format, or unpack to more than `maxBytes` */
  inflate(bytes: Uint8Array, maxBytes: number): Uint8Array;
  /** @throws when the bytes are not in gzip format, or unpack to more than `maxBytes` */
  gunzip(bytes: Uint8Array, maxBytes: number): Uint8Array;
}

/** Pixels of a decoded image. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** `height * width * 3` values, row by row, red, green, blue. */
  readonly data: Uint8Array;
}

/** Decoders for images. */
export interface ImageDecoder {
  /**
   * Decodes PNG, JPEG, WebP and whatever else the platform knows: upright as the EXIF data says, sRGB, transparent parts
   * over `background`.
   *
   * @param accept called with the size and the memory that a pixel takes, on Node before the pixels are decoded; may throw to refuse
   *   the image
   * @throws UserError when it has several frames or pages; an error of the decoder when the file is not an image or is broken
   */
  decode(
    file: Uint8Array,
    background: string,
    accept: (width: number, height: number, bytesPerPixel?: number) => void,
  ): Promise<Pixels>;
}

/** Frames of a moving picture, all of one size, and how long they are shown. */
export interface MovingPixels {
  readonly frames: readonly Pixels[];
  /** How long each frame is shown, in seconds. */
  readonly seconds: readonly number[];
}

/** Formats of moving pictures that the platform writes; animated PNG is written in `image/video/apng.ts`. */
export type MovingFormat = 'webp' | 'gif' | 'mp4';

/** A moving picture that is to be written. */
export interface MovingInput {
  /** One or more, all of one size. */
  readonly frames: readonly Pixels[];
  readonly fps: number;
  /** How long each frame is shown, in milliseconds. */
  readonly delays: readonly number[];
  /** 1 to 100, or without loss; for WebP. */
  readonly quality: number | 'lossless';
  /** Whether the file gets room for EXIF data; of WebP. */
  readonly hasExif?: boolean;
}

/** Writers and readers of moving pictures. */
export interface MovingPictures {
  /**
   * The writer of a format.
   *
   * @throws UserError where the platform has none, in one line that says what would help
   */
  writer(format: MovingFormat): Promise<(video: MovingInput) => Promise<Uint8Array>>;
  /**
   * Decodes all frames of a WebP, GIF or MP4 file, transparent parts over `background`.
   *
   * @throws UserError where the platform cannot read the format, in one line that says what would help
   *
   * @param accept called with the size and the memory that a pixel of it takes before anything is decoded; may throw
   */
  decode(
    file: Uint8Array,
    background: string,
    accept: (width: number, height: number, bytesPerPixel?: number) => void,
  ): Promise<MovingPixels>;
}

/** The process and its surroundings. */
export interface Host {
  readonly kind: 'node' | 'browser';
  /** Node's name of the operating system, such as `linux`, `darwin`, `win32`; `browser` in a browser. */
  readonly system: string;
  /** Environment variables; empty in a browser. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  homeFolder(): string;
  /** The folder of an installed package, or undefined where it is not installed. */
  packageFolder(name: string): string | undefined;
  /**
   * The absolute place that a user's text names, or undefined where it names none. On Node something must be there; in a
   * browser the text must be a URL, or a path that begins with `/`, `./` or `../`.
   */
  locate(text: string): string | undefined;
  /** Processor time used so far in seconds, or undefined where it cannot be known. */
  cpuSeconds(): number | undefined;
}

/** How a program is called. */
export interface ProgramCall {
  /** A file that is written for it, and removed when it has ended; its path is the first argument. */
  readonly file: { readonly name: string; readonly bytes: Uint8Array };
  /** Arguments behind the path. */
  readonly arguments: readonly string[];
  /** Longest time, in milliseconds. */
  readonly patience: number;
  readonly signal?: AbortSignal;
  /** Names the caller in messages. */
  readonly who: string;
}

/** Programs of the user's that are called. A browser has none. */
export interface Processes {
  /**
   * Runs a program without a shell, and gives what it printed on its standard output, at most 64 KB.
   *
   * @throws the reason of the signal when it fires; UserError in one line where it cannot be run, fails, or takes too long
   */
  run(program: string, call: ProgramCall): Promise<string>;
}
