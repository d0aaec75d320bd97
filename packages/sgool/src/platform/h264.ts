/**
 * @file MP4 files with H.264 video: by the package h264-mp4-encoder (WebAssembly), where it is installed, else by an ffmpeg on the path.
 */
import { UserError } from '../errors.ts';
import { called, runs } from './ffmpeg.ts';
import { optionalPackage } from './optional-package.ts';
import type { MovingInput, Pixels } from './platform.ts';

type Write = (video: MovingInput) => Promise<Uint8Array>;

/** How much is lost, of 10 (little) to 51; 18 can hardly be seen. */
const QUANTISATION = 18;

/**
 * The writer of MP4 files: sides must be even.
 *
 * @param find how the package is loaded, and ffmpeg called: replaced in tests
 * @throws UserError where there is neither
 */
export async function mp4Writer({ load = loadEncoder, ffmpeg = 'ffmpeg' } = {}): Promise<Write> {
  const create = await load().catch((error: unknown) => {
    if (error instanceof UserError) return undefined;
    throw error;
  });
  if (create) return withEvenSides((video) => encoded(create, video));
  if (await runs(ffmpeg)) return withEvenSides((video) => converted(ffmpeg, video));
  throw new UserError(
    'mp4: needs ffmpeg on the path, or the package h264-mp4-encoder (npm install h264-mp4-encoder); or take webp, apng or gif',
  );
}

const withEvenSides =
  (write: Write): Write =>
  async (video) => {
    const [{ width, height }] = video.frames;
    if (width % 2 === 0 && height % 2 === 0) return write(video);
    throw new UserError(`mp4: both sides must be even, got ${width} x ${height}; take webp, apng or gif`);
  };

async function loadEncoder() {
  const found = await withOwnListeners(() =>
    optionalPackage('h264-mp4-encoder', () => import('h264-mp4-encoder')),
  );
  // Which of the two depends on who loads it.
  return (found.default ?? found).createH264MP4Encoder;
}

const TAKEN = ['uncaughtException', 'unhandledRejection'] as const;

/** Its runtime takes the errors of the whole process for its own, and ends it; here they stay the process's. */
async function withOwnListeners<T>(part: () => Promise<T>): Promise<T> {
  const listenersOf = (event: (typeof TAKEN)[number]) => process.listeners(event as 'uncaughtException');
  const before = TAKEN.map(listenersOf);
  try {
    return await part();
  } finally {
    TAKEN.forEach((event, i) => {
      for (const listener of listenersOf(event))
        if (!before[i].includes(listener)) process.removeListener(event, listener);
    });
  }
}

async function encoded(
  create: Awaited<ReturnType<typeof loadEncoder>>,
  { frames, fps }: MovingInput,
): Promise<Uint8Array> {
  const encoder = await withOwnListeners(create);
  try {
    Object.assign(encoder, {
      width: frames[0].width,
      height: frames[0].height,
      frameRate: fps,
      quantizationParameter: QUANTISATION,
    });
    encoder.initialize();
    for (const frame of frames) encoder.addFrameRgba(withAlpha(frame));
    encoder.finalize();
    return encoder.FS.readFile(encoder.outputFilename);
  } finally {
    encoder.delete();
  }
}

function withAlpha({ width, height, data }: Pixels): Uint8Array {
  const rgba = new Uint8Array(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) rgba.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
  return rgba;
}

async function converted(program: string, { frames, fps }: MovingInput): Promise<Uint8Array> {
  const [{ width, height }] = frames;
  const input = [
    '-f',
    'rawvideo',
    '-pix_fmt',
    'rgb24',
    '-s',
    `${width}x${height}`,
    '-r',
    String(fps),
    '-i',
    '-',
  ];
  const codec = ['-c:v', 'libx264', '-crf', String(QUANTISATION), '-pix_fmt', 'yuv420p'];
  // In fragments, because a pipe cannot be gone back in.
  const output = ['-movflags', 'frag_keyframe+empty_moov', '-f', 'mp4', '-'];
  const words = ['-v', 'error', '-nostdin', ...input, ...codec, ...output];
  return (await called(program, words, { who: 'mp4', input: frames.map(({ data }) => data) })).printed;
}
