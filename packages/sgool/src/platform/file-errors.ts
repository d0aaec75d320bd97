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
  EEXIST: 'a file of that name is in the way',
  ENOTEMPTY: 'a folder of that name is in the way',
  ENAMETOOLONG: 'the name is too long',
  EFBIG: 'the file is too large for this file system',
  EMFILE: 'too many files are open in this process (see ulimit -n)',
  ENFILE: 'too many files are open on this machine',
  ENOMEM: 'not enough memory',
  EIO: 'the disk reported an error',
  ELOOP: 'its symbolic links lead in a circle',
  EINVAL: 'the file system does not accept it (EINVAL)',
  ENXIO: 'there is no such device',
  ENODEV: 'there is no such device',
  EINTR: 'a signal interrupted the system, try again',
  EAGAIN: 'the system is too busy, try again',
  EBUSY: 'another program is using it',
  ETXTBSY: 'another program is using it',
  ESTALE: 'the network has lost it',
  EXDEV: 'it is on another disk',
  ERR_INVALID_ARG_VALUE: 'the name holds a NUL character',
  ERR_FS_FILE_TOO_LARGE: 'it is too large',
};

/** Codes of connections: their errors are of the network, though they name the same system calls. */
const NETWORK = /^(?:ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|EAI_|ENOTFOUND|EADDR)/;

/** The reason why the file system refused, or undefined when the error did not come from the file system. */
export function fileSystemReason(error: unknown): string | undefined {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  if (typeof code !== 'string' || NETWORK.test(code)) return undefined;
  if (Object.hasOwn(REASONS, code)) return REASONS[code];
  return typeof syscall === 'string' ? `the file system refused it (${code})` : undefined;
}

/** The same for a file that is read: what is missing or in the way is the file itself. */
export function readingReason(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  if (code === 'ENOENT') return 'the file does not exist';
  return code === 'EISDIR' ? 'it is a folder' : fileSystemReason(error);
}
