/** @file What the machine refuses in the middle of a command: files, descriptors, memory. */
import { fileSystemReason } from '../platform/file-errors.ts';

/** The line for what the machine refused somewhere on the way, where no other message says it; undefined for other errors. */
export function machineReason(error: unknown): string | undefined {
  const { message = '', path } = (error ?? {}) as { message?: string; path?: string };
  if (/too many open files|EMFILE|ENFILE/i.test(message)) {
    return 'too many files are open; raise the limit (ulimit -n)';
  }
  if (/memory limit|heap out of memory/i.test(message)) {
    return 'not enough memory for JavaScript; raise its limit (NODE_OPTIONS=--max-old-space-size=<megabytes>)';
  }
  if (/bad_alloc|allocation failed|allocate memory|out of memory|ENOMEM|spawn .* EAGAIN/i.test(message)) {
    return `not enough memory: ${message}; try --memory low or a smaller --size, or raise the limit (ulimit -v)`;
  }
  const reason = fileSystemReason(error);
  return reason === undefined
    ? undefined
    : `${path === undefined ? message : `cannot use ${path}`}: ${reason}`;
}
