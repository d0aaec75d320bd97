/** @file Programs that are called, on Node. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import type { Processes, ProgramCall } from './platform.ts';

/** Most that is read of what a program prints, in bytes. */
const LARGEST_OUTPUT = 2 ** 16;

export const processes: Processes = {
  async run(program, call) {
    const { file, signal } = call;
    signal?.throwIfAborted();
    const folder = await mkdtemp(join(tmpdir(), 'sgool-'));
    try {
      const path = join(folder, file.name);
      await writeFile(path, file.bytes);
      return await called(program, [path, ...call.arguments], call);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

function called(program: string, words: readonly string[], call: ProgramCall): Promise<string> {
  const { patience, signal, who } = call;
  return new Promise((resolve, reject) => {
    const options = {
      timeout: patience,
      killSignal: 'SIGKILL' as const,
      maxBuffer: LARGEST_OUTPUT,
      ...(signal === undefined ? {} : { signal }),
    };
    execFile(program, [...words], options, (error, printed, complaint) => {
      if (!error) return resolve(printed);
      if (signal?.aborted) return reject(signal.reason);
      reject(new UserError(`${who}: ${reasonOf(error, complaint, patience)}`, { cause: error }));
    });
  });
}

function reasonOf(error: Error & { code?: unknown; killed?: boolean }, complaint: string, patience: number) {
  if (error.code === 'ENOENT') return 'there is no such program; give its path, such as ./score.sh';
  if (error.code === 'EACCES') return 'it may not be run; make it executable (chmod +x)';
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
    return `it printed more than ${LARGEST_OUTPUT} bytes; it must print one number`;
  if (error.killed) return `it did not end within ${patience / 1000} s`;
  const last = complaint.trim().split('\n').at(-1) ?? '';
  return `it failed with exit code ${String(error.code)}${last === '' ? '' : `: ${last.slice(0, 200)}`}`;
}
