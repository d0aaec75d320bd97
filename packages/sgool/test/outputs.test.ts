/** @file What the exit code says where nobody reads, or nothing can be written: real processes on real devices. */
import { spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { encodePng } from 'sgool';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { discImage } from '../src/cli/testing.ts';
import { FAKE_ARGUMENTS, SGOOL_ARGUMENTS } from './run-sgool.ts';
import { temporaryFolder } from './toybox-model.ts';

vi.setConfig({ testTimeout: 120_000 });

const FULL = '/dev/full';
const NO_SPACE = 'no space left on the disk';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFile(path.join(folder.dir, 'disc.png'), encodePng(discImage(1, 128)));
});
afterAll(() => folder?.remove());

type Target = 'full' | 'closed' | 'read';

/** Runs `sgool` with each stream on a full disk, in a pipe that nobody reads, or in one that is read. */
async function run(
  words: readonly string[],
  targets: { stdout: Target; stderr: Target },
  program = SGOOL_ARGUMENTS,
) {
  const stdio = [targets.stdout, targets.stderr].map((target) =>
    target === 'full' ? openSync(FULL, 'w') : 'pipe',
  );
  const child = spawn(process.execPath, [...program, ...words], {
    cwd: folder.dir,
    stdio: ['ignore', ...stdio],
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    if (targets[name] === 'closed') child[name]?.destroy();
    else child[name]?.setEncoding('utf8').on('data', (text: string) => (texts[name] += text));
  }
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, ...texts };
}

/** Text, an image, and the words of a thread; that no command has another way is tested in one-reader.test.ts. */
const COMMANDS: readonly (readonly [name: string, ...words: string[]])[] = [
  ['runs', '.', '--json'],
  ['saliency', 'disc.png', '--detector', 'spectral-residual', '--out', '/dev/stdout'],
  ['generate', '--help'],
];

describe.skipIf(!existsSync(FULL))('the standard output', () => {
  it.concurrent.each(COMMANDS.map((words) => [words.join(' '), words] as const))(
    'cannot be written by sgool %s: one line, and a code that says so',
    async (_, words) => {
      const [full, closed] = await Promise.all([
        run(words, { stdout: 'full', stderr: 'read' }),
        run(words, { stdout: 'closed', stderr: 'read' }),
      ]);
      expect([full.code, full.stderr]).toEqual([
        1,
        `sgool: cannot write to the standard output: ${NO_SPACE}\n`,
      ]);
      expect([closed.code, closed.stderr]).toEqual([141, '']);
    },
  );
});

describe('a run whose words cannot be written', () => {
  const few = ['--seed', '5', '--iterations', '1'];
  it.concurrent.each<[string, Target, Target, number]>([
    ['progress on a full disk', 'read', 'full', 0],
    ['a result that nobody reads', 'closed', 'closed', 141],
  ])('%s: it goes on to its end', async (name, stdout, stderr, code) => {
    const out = name.replaceAll(' ', '-');
    const ended = await run(
      ['generate', 'a red cat', ...few, '--out', out],
      { stdout, stderr },
      FAKE_ARGUMENTS,
    );
    expect(ended.code).toBe(code);
    expect(ended.stdout).toBe(stdout === 'read' ? `${path.join(out, 'image.png')}\n` : '');
    const lines = ended.stderr.split('\n').filter((line) => line.includes('cannot write'));
    expect(lines).toEqual(
      stderr === 'read' ? [`sgool: cannot write to the standard output: ${NO_SPACE}`] : [],
    );
    const record = JSON.parse(await readFile(path.join(folder.dir, out, 'run.json'), 'utf8'));
    expect([record.status, record.iterations.length]).toEqual(['done', 2]);
  });

  it('says of a mistake with its code, even where the line about it is lost', async () => {
    const ended = await run(['generate', 'a red cat', '--steps', 'many'], { stdout: 'read', stderr: 'full' });
    expect([ended.code, ended.stdout]).toEqual([2, '']);
  });
});
