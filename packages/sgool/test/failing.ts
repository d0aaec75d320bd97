/**
 * @file What fails at every system call of a writer: the user reads one line, no file is half under its name, nothing temporary stays, and
 * what was there is still there. A test that uses it mocks `node:fs` and `node:fs/promises` by `faulty-disk.ts`.
 */
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runOnFakes } from '../src/cli/testing.ts';
import { CALLS, type Call, CODES, disk } from './faulty-disk.ts';

export interface Writer {
  /** Sources of `src/` that write here: each makes some of the system calls. */
  readonly of: readonly string[];
  /** What is there before. */
  readonly before?: () => Promise<unknown>;
  /** Writes into the folder. */
  readonly write: () => Promise<unknown>;
  /** It makes many calls: the first, the fourth, the thirteenth fail, and so on. */
  readonly isLong?: boolean;
  /** The error need not be a line yet: the callers make one of it. */
  readonly isRaw?: boolean;
  /** The calls that it must make. Default: each opens, writes, flushes, closes, renames. */
  readonly calls?: readonly Call[];
}

const ALWAYS: readonly Call[] = ['open', 'write', 'fsync', 'close', 'rename'];

/** A folder of each test, which is empty at its beginning. */
export function emptyFolder(): { readonly dir: string } {
  const folder = { dir: '' };
  beforeEach(() => {
    folder.dir = mkdtempSync(join(tmpdir(), 'sgool-faults-'));
  });
  afterEach(() => {
    disk.plan();
    rmSync(folder.dir, { recursive: true, force: true });
  });
  return folder;
}

/** Runs a command line with the fake model in a folder. @throws what it says, where it fails */
export async function runThere(dir: string, ...words: string[]): Promise<void> {
  const env = { SGOOL_DATA_DIR: join(dir, 'data') };
  const { code, stderr } = await runOnFakes(dir, words, { env, fake: { moves: true } });
  if (code !== 0) throw Object.assign(new Error(stderr), { isLine: true });
}

/** The content of every file below a folder, by path; links are followed. */
export function tree(folder: string, prefix = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (lstatSync(path).isDirectory())
      for (const entry of tree(path, `${prefix}${name}/`)) found.set(...entry);
    else found.set(prefix + name, existsSync(path) ? readFileSync(path, 'latin1') : '(a link to nowhere)');
  }
  return found;
}

/** How the text of a file ends that holds other content each time, by the ending of its name. */
const ENDS: Readonly<Record<string, string>> = {
  '.png': 'IEND\xaeB`\x82',
  '.svg': '</svg>\n',
  '.html': '</html>\n',
  '.csv': '\n',
  '.jsonl': '}\n',
};

/** Whether a file that holds other content each time is whole, as its ending says. */
function isWhole(path: string, content: string): boolean {
  const [ending = ''] = /\.\w+$/.exec(path) ?? [];
  if (ending in ENDS) return content.endsWith(ENDS[ending]);
  if (ending === '.webp') return Buffer.from(content, 'latin1').readUInt32LE(4) + 8 === content.length;
  if (ending === '.safetensors') return isWholeState(content);
  // The index keeps its own files whole, and is made anew of the others.
  if (/\.sqlite(-wal|-shm)?$/.test(path)) return true;
  if (ending !== '.json') return false;
  try {
    JSON.parse(content);
    return content.endsWith('}\n');
  } catch {
    return false;
  }
}

/** Whether a file of a run's state, as latin1, has all the bytes that its header names. */
function isWholeState(content: string): boolean {
  const header = Number(Buffer.from(content.slice(0, 8), 'latin1').readBigUInt64LE());
  const { __metadata__: _, ...tensors } = JSON.parse(content.slice(8, 8 + header)) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const ends = Object.values(tensors).map(({ data_offsets: [, end] }) => end);
  return content.length === 8 + header + Math.max(0, ...ends);
}

/** One line for the user, which does not tell of what is temporary. */
export function expectLine(error: unknown, when: string): void {
  const { message, name } = error as Error;
  // A series says for each run what went wrong.
  const lines = message.trim().split('\n');
  if (!('isLine' in (error as object)))
    expect([name, lines.length], `${when}: ${message}`).toEqual(['UserError', 1]);
  else for (const line of lines) expect(line, when).toMatch(/^sgool: (?!unexpected)/);
  expect(message, when).not.toMatch(/injected|\.tmp/);
}

/** One test for each kind of system call: of each writer, every call of that kind fails once. */
export function standsFailures(folder: { readonly dir: string }, writer: Writer): void {
  it.each(CALLS)('stands a failure at every %s', async (call) => {
    const { of, before, write, calls = ALWAYS } = writer;
    await before?.();
    disk.plan();
    const stopNoting = disk.noteSources();
    await write();
    const sources = stopNoting();
    expect(of.filter((source) => !sources.has(source))).toEqual([]);
    const failed = await failEach(folder.dir, call, writer, tree(folder.dir));
    if (calls.includes(call)) expect(failed).toBeGreaterThan(0);
  });
}

/** Calls `write` once for each of its system calls of a kind, with that call failing. @returns how many failed */
async function failEach(
  dir: string,
  call: Call,
  { before, write, isRaw = false, isLong = false }: Writer,
  clean: ReadonlyMap<string, string>,
): Promise<number> {
  let failed = 0;
  for (let at = 1; ; at = isLong ? 3 * at + 1 : at + 1) {
    for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true });
    await before?.();
    const old = tree(dir);
    const code = CODES[(at + CALLS.indexOf(call)) % CODES.length];
    disk.plan({ call, at, code });
    const error: unknown = await write().then(
      () => undefined,
      (reason) => reason,
    );
    const { wasHit } = disk;
    disk.plan();
    if (!wasHit) break;
    failed++;
    const when = `${call} ${at} with ${code}`;
    checkFiles(old, clean, tree(dir), when);
    if (error !== undefined && !isRaw) expectLine(error, when);
  }
  return failed;
}

type Files = ReadonlyMap<string, string>;

function checkFiles(old: Files, clean: Files, now: Files, when: string): void {
  for (const path of old.keys()) expect([...now.keys()], when).toContain(path);
  for (const [path, content] of now) {
    expect(path, when).not.toMatch(/\.tmp$|\.former|\.old$|locks\//);
    const known = [old.get(path), clean.get(path)];
    if (!known.includes(content))
      expect(isWhole(path, content), `${when}: ${path}: ${content.slice(-80)}`).toBe(true);
  }
}
