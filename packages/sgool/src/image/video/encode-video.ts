/**
 * @file Writing moving pictures in any of the formats.
 *
 * WebP and GIF join frames that stand still into one that is shown longer; animated PNG keeps each.
 */
import { movingPictures } from '#platform';
import { withWebpText } from '../picture-text.ts';
import { encodeApng } from './apng.ts';
import { checkVideo, frameTicks, type Video } from './video.ts';

/** The formats. Animated PNG alone is lossless and keeps all texts; a browser writes no other. */
export const VIDEO_FORMATS = ['webp', 'apng', 'gif', 'mp4'] as const;
export type VideoFormat = (typeof VIDEO_FORMATS)[number];

/** The ending of the name of a file in each format. */
export const VIDEO_ENDINGS: Readonly<Record<VideoFormat, string>> = {
  webp: '.webp',
  apng: '.png',
  gif: '.gif',
  mp4: '.mp4',
};

/** How a moving picture is written. */
export interface VideoOptions {
  /** Of WebP: 1 to 100, or without loss. Default 90. */
  readonly quality?: number | 'lossless';
  /** Texts by keyword: all of them in an animated PNG; `parameters` and `sgool` in the EXIF data of WebP; GIF and MP4 hold none. */
  readonly text?: Readonly<Record<string, string>>;
}

/** Encodes moving pictures in one format. */
export type VideoEncoder = (video: Video, options?: VideoOptions) => Promise<Uint8Array>;

/** GIF counts hundredths of a second, WebP thousandths. */
const TICKS = { gif: 100, webp: 1000, mp4: 1000 } as const;

/**
 * The encoder of a format.
 *
 * @throws UserError where there is none here: of MP4 without the package h264-mp4-encoder and ffmpeg; of all but APNG in a browser. The encoder
 *   throws RangeError as `checkVideo` does, and UserError for MP4 where a side is odd
 */
export async function videoEncoder(format: VideoFormat): Promise<VideoEncoder> {
  if (format === 'apng') return async (video, options) => encodeApng(video, options);
  const write = await movingPictures.writer(format);
  return async (video, { quality = 90, text = {} } = {}) => {
    checkVideo(video, 'videoEncoder');
    const ticks = TICKS[format];
    const delays = frameTicks(video, ticks).map((delay) => (1000 / ticks) * delay);
    const hasExif = format === 'webp' && Object.keys(text).length > 0;
    const file = await write({ ...video, delays, quality, hasExif });
    return hasExif ? withWebpText(file, text) : file;
  };
}
