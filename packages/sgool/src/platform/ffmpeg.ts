/** @file Calling an ffmpeg of the user's: bytes in, bytes out. */
import { spawn } from 'node:child_process';
import { UserError } from '../errors.ts';
import { concatBytes } from './bytes.ts';

/** Whether a program can be called. */
export async function runs(program: string): Promise<boolean> {
  try {
    await called(program, ['-version'], { who: program });
    return true;
  } catch {
    return false;
  }
}

export interface CallOptions {
  /** Names the caller in messages. */
  readonly who: string;
  /** For its standard input. */
  readonly input?: readonly Uint8Array[];
  /** Bytes that it may print at most. */
  readonly most?: number;
}

/**
 * Calls a program without a shell.
 *
 * @returns what it printed, and what it said on its standard error
 * @throws UserError in one line where it fails or prints too much; the system's error where it cannot be called
 */
export function called(
  program: string,
  words: readonly string[],
  { who, input = [], most = Number.POSITIVE_INFINITY }: CallOptions,
): Promise<{ printed: Uint8Array; complaint: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    const [printed, complaint]: Buffer[][] = [[], []];
    let bytes = 0;
    child.stdout.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= most) printed.push(part);
      else {
        child.kill();
        reject(
          new UserError(
            `${who}: its frames need more than ${Math.round(most / 2 ** 20)} MB; take fewer or smaller ones`,
          ),
        );
      }
    });
    child.stderr.on('data', (part: Buffer) => complaint.push(part));
    // It ends before it has read everything: its exit code says why.
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (code) => {
      const said = String(Buffer.concat(complaint)).trim();
      if (code === 0) resolve({ printed: concatBytes(printed), complaint: said });
      else
        reject(
          new UserError(
            `${who}: ffmpeg failed with exit code ${code}: ${said.split('\n').at(-1)?.slice(0, 200)}`,
          ),
        );
    });
    for (const part of input) child.stdin.write(part);
    child.stdin.end();
  });
}
