/**
 * @file A disk on which single system calls fail, for tests. The modules `node:fs` and `node:fs/promises` are replaced by
 * `faulty(...)` of themselves; `disk` says what fails.
 */
import type { FileHandle } from 'node:fs/promises';

/** The kinds of system calls that can fail. */
export const CALLS = ['open', 'write', 'fsync', 'close', 'rename', 'mkdir', 'link'] as const;
export type Call = (typeof CALLS)[number];
/** What a disk may say at any time. */
export const CODES = ['ENOSPC', 'EIO', 'EINTR', 'EAGAIN', 'EDQUOT', 'EROFS'] as const;

/** The n-th call of a kind fails, once. */
export interface Fault {
  readonly call: Call;
  /** From 1 on. */
  readonly at: number;
  readonly code: string;
}

class Disk {
  /** The calls so far, with the path as far as it is known. */
  log: string[] = [];
  wasHit = false;
  #fault: Fault | undefined;
  #seen = 0;
  #sources: Set<string> | undefined;

  /** Begins anew, with a fault or none. */
  plan(fault?: Fault): void {
    this.#fault = fault;
    this.#seen = 0;
    this.wasHit = false;
    this.log = [];
  }

  /** Notes which files of `src/` the calls come from, until the function that it gives is called. */
  noteSources(): () => ReadonlySet<string> {
    const sources = new Set<string>();
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 60;
    this.#sources = sources;
    return () => {
      Error.stackTraceLimit = stackTraceLimit;
      this.#sources = undefined;
      return sources;
    };
  }

  /** Notes a call. @returns the error with which it fails, if it does */
  call(call: Call, path: string): Error | undefined {
    this.log.push(`${call} ${path}`);
    for (const [, source] of this.#sources
      ? (new Error().stack ?? '').matchAll(/\/sgool\/src\/([\w/.-]+\.ts)/g)
      : [])
      this.#sources?.add(source);
    if (this.#fault?.call !== call || ++this.#seen !== this.#fault.at) return undefined;
    this.wasHit = true;
    const { code } = this.#fault;
    return Object.assign(new Error(`${code}: injected, ${call} '${path}'`), { code, syscall: call, path });
  }
}

export const disk = new Disk();

const KINDS: Readonly<Record<string, Call>> = {
  rename: 'rename',
  mkdir: 'mkdir',
  symlink: 'link',
  link: 'link',
  copyFile: 'link',
};
/** Paths of open files, by their number. */
const paths = new Map<number, string>();

type Any = (...args: never[]) => unknown;
const half = (data: unknown) =>
  (data as string | Uint8Array).slice(0, Math.floor((data as string).length / 2));

function faultyHandle(handle: FileHandle, path: string): FileHandle {
  const { appendFile, close, datasync, sync, write, writeFile } = handle;
  /** Half of it is written where it fails. */
  const whole =
    (write: typeof writeFile) =>
    async (data: string | Uint8Array): Promise<void> => {
      const error = disk.call('write', path);
      await write.call(handle, error === undefined ? data : half(data));
      if (error !== undefined) throw error;
    };
  const flush = (sync: typeof datasync) => async (): Promise<void> => {
    const error = disk.call('fsync', path);
    if (error !== undefined) throw error;
    await sync.call(handle);
  };
  return Object.assign(handle, {
    writeFile: whole(writeFile),
    appendFile: whole(appendFile),
    sync: flush(sync),
    datasync: flush(datasync),
    async write(...args: Parameters<typeof write>) {
      const error = disk.call('write', path);
      if (error !== undefined) throw error;
      return write.apply(handle, args);
    },
    async close() {
      const error = disk.call('close', path);
      await close.call(handle);
      if (error !== undefined) throw error;
    },
  });
}

/** `node:fs/promises` on the faulty disk. Opening to read, with flags as a number, never fails. */
export function faultyPromises<T extends typeof import('node:fs/promises')>(real: T): T {
  const changed: Record<string, Any> = {
    async open(...args: Parameters<typeof real.open>) {
      const [path, flags] = args;
      if (typeof flags !== 'string') return real.open(...args);
      const error = disk.call('open', String(path));
      if (error !== undefined) throw error;
      return faultyHandle(await real.open(...args), String(path));
    },
  };
  for (const [name, kind] of Object.entries(KINDS)) {
    const own = real[name as 'rename'] as (...args: unknown[]) => Promise<unknown>;
    changed[name] = async (...args: unknown[]) => {
      const error = disk.call(kind, String(args[kind === 'mkdir' ? 0 : 1]));
      if (error !== undefined) throw error;
      return own(...args);
    };
  }
  return { ...real, ...changed };
}

/** `node:fs` on the faulty disk. */
export function faultySync<T extends typeof import('node:fs')>(real: T): T {
  const fail = (call: Call, path: string) => {
    const error = disk.call(call, path);
    if (error !== undefined) throw error;
  };
  return {
    ...real,
    openSync(...args: Parameters<typeof real.openSync>) {
      fail('open', String(args[0]));
      const file = real.openSync(...args);
      paths.set(file, String(args[0]));
      return file;
    },
    writeFileSync(file: number, data: string | Uint8Array) {
      const error = disk.call('write', paths.get(file) ?? '');
      real.writeFileSync(file, error === undefined ? data : half(data));
      if (error !== undefined) throw error;
    },
    fsyncSync(file: number) {
      fail('fsync', paths.get(file) ?? '');
      real.fsyncSync(file);
    },
    closeSync(file: number) {
      real.closeSync(file);
      fail('close', paths.get(file) ?? '');
    },
    renameSync(...args: Parameters<typeof real.renameSync>) {
      fail('rename', String(args[1]));
      real.renameSync(...args);
    },
  };
}
