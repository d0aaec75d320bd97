/**
 * @file The most that is read of a file that is held in memory as a whole, by what the file is. Files of weights have no limit: only
 * their headers are read, and then one tensor at a time.
 */

/** The most that a file may hold. */
export interface SizeLimit {
  /** What the file is, for messages: "a configuration". */
  readonly what: string;
  /** In bytes. */
  readonly bytes: number;
}

const KB = 2 ** 10;
const MB = 2 ** 20;

export const SIZE_LIMITS = {
  /** A person writes it. */
  settings: { what: 'a file of settings', bytes: MB },
  /** The longest are indexes of shards: 9 MB for a language model of 160 files; those of image models have 0.2 MB. */
  config: { what: 'a configuration', bytes: 32 * MB },
  /** The largest published `tokenizer.json` has 35 MB, with 262,144 tokens. */
  vocabulary: { what: 'a vocabulary', bytes: 64 * MB },
  /** The most prompts of a series are 10,000, and CLIP reads 75 tokens of each. */
  prompts: { what: 'a file of prompts', bytes: 16 * MB },
  /** Uncompressed, 44 megapixels. What a picture may need in memory bounds it further (`image/read-image.ts`). */
  picture: { what: 'a picture', bytes: 128 * MB },
  /** One file of a scorer; larger ones keep their weights beside it. Protocol Buffers end at this size. */
  onnx: { what: 'an ONNX file', bytes: 2048 * MB - 1 },
  /** A shared library, or the wheel that it comes in: ONNX Runtime's for CUDA has 272 MB. */
  library: { what: 'a shared library', bytes: 1024 * MB },
  /** `run.json` of the longest run: a few numbers for each of 10,000 iterations. Records of evaluations and studies are smaller. */
  record: { what: 'the record of a run', bytes: 32 * MB },
  /** All authorities that a system knows have 0.2 MB. */
  certificates: { what: 'a file of certificates', bytes: MB },
  /** Tokens of the Hub have 37 letters. */
  token: { what: 'a token of the Hub', bytes: 64 * KB },
  /** SHA-256 of 200 files. */
  hashes: { what: 'a file of hashes', bytes: MB },
  /** A branch of the cache is a commit of 40 letters; a lock is a process and a host. */
  line: { what: 'a file of one line', bytes: 4 * KB },
} as const satisfies Record<string, SizeLimit>;

/** The line about a file that is too large. */
export const overLimit = ({ what, bytes }: SizeLimit): string =>
  `it has more than ${bytes / (bytes < MB ? KB : MB)} ${bytes < MB ? 'KB' : 'MB'}, which is the most for ${what}`;
