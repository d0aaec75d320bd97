/** @file A disk that fails at any moment, for what commands beside `generate` write: see faults.test.ts. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { installLibraries, LIBRARY, PROVIDERS } from '../src/cli/commands/devices/cuda-files.ts';
import { discImage, runOnFakes } from '../src/cli/testing.ts';
import { folderResults } from '../src/evaluate/queue/results.ts';
import { fakeStudy } from '../src/evaluate/study/testing.ts';
import { type Vote, VoteFiles } from '../src/evaluate/study/votes.ts';
import { fakeEvaluation } from '../src/evaluate/testing.ts';
import { encodePng } from '../src/image/png.ts';
import { emptyFolder, expectLine, runThere, standsFailures, type Writer } from './failing.ts';
import { CALLS, CODES, disk } from './faulty-disk.ts';

vi.mock('node:fs/promises', async (original) =>
  (await import('./faulty-disk.ts')).faultyPromises(await original()),
);
vi.mock('node:fs', async (original) => (await import('./faulty-disk.ts')).faultySync(await original()));

const folder = emptyFolder();
const place = (...names: string[]) => join(folder.dir, ...names);
const cli = (...words: string[]) => runThere(folder.dir, ...words);
const put = (name: string, content: string | Uint8Array) => writeFileSync(place(name), content);
const evaluation = (name = 'ev') => fakeEvaluation(place(name), { prompts: 2, seeds: 1 });

const WRITERS: Readonly<Record<string, Writer>> = {
  'a run that goes on': {
    of: ['cli/run/run-file.ts', 'cli/run/state-file.ts'],
    isLong: true,
    async before() {
      const words = ['generate', 'a red cat', '--seed', '1', '--out', 'run', '--iterations', '2', '--quiet'];
      let interrupt = () => {};
      await runOnFakes(folder.dir, words, {
        fake: { before: (iteration) => void (iteration === 1 && interrupt()) },
        onHost: (host) => (interrupt = () => host.interrupt()),
      });
    },
    write: () => cli('resume', 'run', '--quiet'),
  },
  'a clip in another format': {
    of: ['cli/run/recorder.ts'],
    isLong: true,
    write: () =>
      cli(
        'video',
        'a red cat',
        '--seed',
        '1',
        '--out',
        'clip',
        '--frames',
        '2',
        '--method',
        'sd',
        '--format',
        'gif',
        '--quiet',
      ),
  },
  'a sheet of attention maps': {
    of: ['cli/run/write-output.ts'],
    write: () => cli('attention', 'a red cat', '--seed', '1', '--out', 'maps.png', '--quiet'),
  },
  'a table of scores': {
    of: ['weights/sources/atomic-file.ts'],
    before: async () => put('disc.png', encodePng(discImage(0))),
    write: () => cli('score', 'disc.png', 'a red cat', '--out', 'scores.csv'),
  },
  'an evaluation': {
    of: ['evaluate/setup/claim-evaluation.ts', 'evaluate/cells/write-cell.ts'],
    isLong: true,
    before: async () => put('mine.txt', 'a red cat\n'),
    write: () =>
      cli('evaluate', '--suite', 'mine.txt', '--methods', 'sd', '--out', 'ev', '--no-report', '--quiet'),
  },
  'the report of an evaluation': {
    of: ['evaluate/report/write-report.ts'],
    isLong: true,
    before: () => evaluation(),
    write: () => cli('evaluate', 'report', 'ev'),
  },
  'an evaluation of shares': {
    of: ['cli/commands/evaluate/merge.ts'],
    isLong: true,
    before: () => evaluation(),
    write: () => cli('evaluate', 'merge', 'whole', 'ev'),
  },
  'the manifest for other machines': {
    of: ['evaluate/queue/results.ts'],
    isRaw: true,
    write: () => folderResults(place('shared')).begin(Buffer.from('{}\n')),
  },
  'a study': {
    of: ['evaluate/study/create-study.ts'],
    isLong: true,
    before: () => evaluation(),
    write: () => cli('study', 'create', 'ev', '--pairs', '2'),
  },
  'the report of a study': {
    of: ['evaluate/study/report/write-report.ts'],
    isLong: true,
    before: () => fakeStudy(place('study'), { prompts: 2 }),
    write: () => cli('study', 'report', 'study/study/default'),
  },
  'a suite': {
    of: ['evaluate/suites/stored-suites.ts'],
    async before() {
      const names = (count: number, what: string) => Array.from({ length: count }, (_, i) => `${what} ${i}`);
      const list = { animals: names(66, 'a'), animals_objects: names(144, 'b'), objects: names(66, 'c') };
      put('list.txt', JSON.stringify(list));
    },
    write: () => cli('suites', 'add', 'attend-and-excite', 'list.txt'),
  },
  'the files of a device': {
    of: ['cli/commands/devices/cuda-files.ts'],
    async before() {
      mkdirSync(place('ort'));
      put(`ort/${LIBRARY}`, 'of the package');
    },
    write: () =>
      installLibraries(
        place('ort'),
        new Map([LIBRARY, ...PROVIDERS].map((name) => [name, Buffer.from(`${name} for CUDA`)])),
      ),
  },
};

describe.each(Object.entries(WRITERS))('%s', (_, writer) => standsFailures(folder, writer));

describe('a vote', () => {
  it.each(CALLS.slice(0, 4).flatMap((call) => CODES.map((code) => [call, code] as const)))(
    'is stored after %s failed with %s, once, and the ones before stay',
    async (call, code) => {
      const { study, folder: dir } = await fakeStudy(place('study'), { prompts: 2 });
      const votes = new VoteFiles(dir, study);
      const { log } = await votes.enlist(undefined, new Date(0));
      const { rater } = log.rater;
      const vote = (n: number): Vote => ({
        ...{ kind: 'vote', rater, id: `id-${n}`, pair: study.pairs[n].id, question: 'better' },
        ...{ choice: 'tie', left: study.pairs[n].a.id, right: study.pairs[n].b.id, ms: 1, at: 'now' },
      });
      expect(await votes.add(vote(0))).toBe('stored');
      disk.plan({ call, at: 1, code });
      const error = await votes.add(vote(1)).catch((reason: unknown) => reason);
      expect(disk.wasHit).toBe(true);
      disk.plan();
      expectLine(error, `${call} with ${code}`);
      // The page sends it again.
      expect(['stored', 'repeated']).toContain(await votes.add(vote(1)));
      const [{ answers }] = await votes.all();
      expect([...answers.values()].map(({ id }) => id)).toEqual(['id-0', 'id-1']);
    },
  );
});
