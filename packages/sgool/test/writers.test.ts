/** @file Nothing writes to the disk but the few files that are made for it: they are whole or not there, and tested against faults. */
import * as fs from 'node:fs';
import * as promises from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const src = join(import.meta.dirname, '../src');

/** What only looks. `open` may do both. */
const READS =
  /^(access|exists|(f|l)?stat|statfs|read\w*|realpath|createReadStream|opendir|glob|watch\w*|unwatchFile|close)(Sync)?$/;
const CHANGES = new Set(
  Object.entries({ ...fs, ...promises }).flatMap(([name, value]) =>
    typeof value === 'function' && /^[a-z]/.test(name) && !READS.test(name) ? [name] : [],
  ),
);

/** Files that may call what changes the disk, the calls, and the reason. */
const ALLOWED: Readonly<Record<string, readonly [calls: string, why: string]>> = {
  'weights/sources/atomic-file.ts': [
    'copyFile fsyncSync link mkdir open openSync rename renameSync rm rmSync symlink writeFileSync',
    'the writer of everything',
  ],
  'weights/sources/partial-file.ts': ['open rm', 'downloads, which are taken up where they broke'],
  'weights/sources/make-folders.ts': ['mkdir', 'folders'],
  'weights/hub/lock.ts': ['rm utimes', 'locks; they hold nothing that could be lost'],
  'platform/plain-file.ts': ['open openSync', 'opens to read'],
  'platform/processes.ts': [
    'mkdtemp rm writeFile',
    'a picture in a folder of its own, for the program that scores it',
  ],
  'cli/run/write-output.ts': ['open', 'devices and pipes, which cannot be renamed to'],
  'platform/read-mp4.ts': [
    'mkdtemp rm writeFile',
    'a folder of its own for ffmpeg, which reads the clip there',
  ],
  'evaluate/suites/stored-suites.ts': ['rm', 'removes the copy that the user wants removed'],
  'evaluate/cells/write-cell.ts': ['rm', 'removes the record of a cell that is to be run again'],
  'evaluate/cells/leftovers.ts': ['rm', 'removes what a killed process has left half written'],
  'evaluate/report/write-report.ts': ['rm', 'removes the figures of the report before'],
  'evaluate/study/votes.ts': ['open', 'adds lines to the votes of a rater, which are never rewritten'],
  'cli/commands/evaluate/rebuild.ts': ['rm', 'removes the index, which is made again of the files'],
  'cli/commands/devices/add.ts': ['mkdtemp rm', 'a folder for what pip downloads'],
  'cli/commands/devices/cuda-files.ts': ['rm', 'removes the CUDA files that the user wants removed'],
  'cli/run/output-folder.ts': ['rmSync rmdirSync', 'takes back the claim of a folder'],
  'cli/run/run-file.ts': ['rmSync', 'takes back a claim'],
  'cli/run/saved-state.ts': ['rm rmSync', 'what a state does not need any more'],
};

const sources = fs
  .readdirSync(src, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts') && !/\.test\.ts$|(^|\/)testing(\.ts|\/)/.test(path));

/** The names that a source imports from the file system's modules; `*` for all of them. */
function imported(text: string): string[] {
  const found = [
    ...text.matchAll(
      /(?:import|export)\s+(?:type\s+)?([^;]*?)\s+from\s+['"](?:node:)?fs(?:\/promises)?['"]/g,
    ),
  ];
  const other = /(?:import\s*\(|require\s*\(|getBuiltinModule\s*\()\s*['"](?:node:)?fs/.test(text)
    ? ['*']
    : [];
  return [
    ...other,
    ...found.flatMap(([, names]) =>
      names.startsWith('{')
        ? names
            .slice(1, -1)
            .split(',')
            .map((name) => name.trim())
            .filter((name) => name !== '' && !name.startsWith('type '))
            .map((name) => name.split(/\s+as\s+/)[0])
        : ['*'],
    ),
  ];
}

it('the rule sees what it is to see', () => {
  expect(imported("import { type FileHandle, rm as remove } from 'node:fs/promises';")).toEqual(['rm']);
  expect(imported("import fs from 'fs';\nawait import('node:fs')")).toEqual(['*', '*']);
  for (const name of [
    'writeFile',
    'writeFileSync',
    'appendFile',
    'createWriteStream',
    'open',
    'truncate',
    'cp',
    'rm',
  ]) {
    expect(CHANGES).toContain(name);
  }
  expect(CHANGES.has('readFile') || CHANGES.has('statSync')).toBe(false);
});

it.each(sources)('%s writes through the writer only', (path) => {
  const text = fs.readFileSync(join(src, path), 'utf8');
  const calls = imported(text).filter((name) => name === '*' || CHANGES.has(name));
  const [allowed = ''] = ALLOWED[path] ?? [];
  expect(calls.filter((name) => !allowed.split(' ').includes(name))).toEqual([]);
  // sharp writes files too.
  expect(text).not.toMatch(/\.toFile\(/);
});

it.each(Object.entries(ALLOWED))('the exception of %s is needed', (path, [calls]) => {
  const names = imported(fs.readFileSync(join(src, path), 'utf8'));
  expect(calls.split(' ').filter((name) => !names.includes(name))).toEqual([]);
});

/** Sources that call the writer, whose failing is tested elsewhere. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'exports/node.ts': 'gives the writer to programs',
  'weights/sources/partial-file.ts': 'the pull in faults.test.ts',
  'cli/commands/evaluate/on-queue.ts': 'needs a server; what it writes is as the manifest for other machines',
  'cli/run/fine-tuning.ts': 'finetune-faults.test.ts',
  'cli/run/fine-tuning-folder.ts': 'finetune-faults.test.ts',
  'weights/open/store-adapter.ts': 'finetune-faults.test.ts',
  'cli/run/kept-hashes.ts': 'kept-hashes.test.ts; what cannot be kept is computed again',
};

it('every source that calls the writer has its row in the tests of failing disks', () => {
  const rows = ['faults', 'command-faults', 'finetune-faults']
    .map((name) => fs.readFileSync(join(import.meta.dirname, `${name}.test.ts`), 'utf8'))
    .join('');
  const callers = sources.filter((path) =>
    /from '[^']*(atomic-file|write-safetensors)\.ts'/.test(fs.readFileSync(join(src, path), 'utf8')),
  );
  expect(callers.length).toBeGreaterThan(20);
  const missing = callers.filter((path) => !rows.includes(`'${path}'`));
  expect(missing.sort()).toEqual(Object.keys(ELSEWHERE).sort());
});
