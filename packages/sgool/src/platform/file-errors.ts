/** @file The file system's error codes in words. */

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file, not a folder',
  ENOENT: 'the folder does not exist',
  EISDIR: 'a folder of that name is in the way',
  ENOTEMPTY: 'a folder of that name is in the way',
  ENAMETOOLONG: 'the name is too long',
  EFBIG: 'the file is too large for this file system',
  EMFILE: 'too many files are open',
  EIO: 'the disk reported an error',
  EINTR: 'a signal interrupted the system, try again',
  EAGAIN: 'the system is too busy, try again',
  EBUSY: 'another program is using it',
  ESTALE: 'the network has lost the folder',
};

/** The reason why the file system refused, or undefined when the error did not come from the file system. */
export function fileSystemReason(error: unknown): string | undefined {
  const code = (error as { code?: string } | undefined)?.code;
  return code === undefined ? undefined : REASONS[code];
}
