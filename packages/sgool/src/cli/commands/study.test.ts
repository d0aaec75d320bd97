import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readStudy } from '../../evaluate/study/study.ts';
import { fakeStudy, TestRater } from '../../evaluate/study/testing.ts';
import { fakeEvaluation } from '../../evaluate/testing.ts';
import { until } from '../../testing.ts';
import { runCli } from '../cli.ts';
import { fakeHost, runOnFakes } from '../testing.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sgool-study-command-'));
  await fakeEvaluation(join(root, 'ev'), { prompts: 4, seeds: 1 });
  await fakeEvaluation(join(root, 'one'), { methods: [{ label: 'sd', gain: 0, calls: 1 }], prompts: 2 });
  await fakeStudy(join(root, 'made'), { prompts: 3, pairs: 6 });
  const { folder } = await fakeStudy(join(root, 'newer'), { prompts: 2 });
  const path = join(folder, 'study.json');
  await writeFile(path, (await readFile(path, 'utf8')).replace('"format": 1', '"format": 7'));
  const gone = await fakeStudy(join(root, 'gone'), { prompts: 2 });
  await rm(join(gone.folder, 'pictures'), { recursive: true });
});
afterAll(() => rm(root, { recursive: true }));

const study = (...words: string[]) => runOnFakes(root, ['study', ...words]);

/** `sgool study serve` until `use` is done, then Ctrl-C. */
async function served(words: readonly string[], use: (address: string) => Promise<void>) {
  const host = fakeHost(root);
  const ended = runCli(['study', 'serve', ...words], host);
  const { written } = host;
  await until(() => written.stdout.includes('\n') || written.stderr !== '', 'the address of the server');
  try {
    await use(host.written.stdout.trim());
  } finally {
    host.interrupt();
  }
  return { code: await ended, ...host.written };
}

describe('making, serving and reporting a study', () => {
  it('go together', async () => {
    const made = await study('create', 'ev', '--pairs', '6', '--methods', 'sgool,sd', '--title', 'Look');
    expect([made.code, made.stdout]).toEqual([0, 'ev/study/default\n']);
    expect(made.stderr).toContain(
      '4 pairs of sd, sgool and 2 checks; open it with: sgool study serve ev/study/default',
    );
    expect(made.stderr).toContain('there are 4 pairs, not the 6 asked for');
    expect((await study('report', 'ev/study/default')).stderr).toContain(
      'nobody has compared two pictures yet',
    );
    const { code, stdout, stderr } = await served(['ev/study/default', '--port', '0'], async (address) => {
      const rater = await TestRater.begin(address.slice(0, -1), 'Ada');
      await rater.rateAll(['better', 'fits'], () => 'tie');
    });
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/\n$/)]);
    expect(stderr).toContain('6 pairs; give raters this address, and end with Ctrl-C');
    expect(stderr).toContain('1 raters, 12 answers; sgool study report shows what they say');
    // Who sees no difference between a picture and a mosaic of it is left out, and that is said.
    expect((await study('report', 'ev/study/default')).stderr).toContain(
      'no answers are left: 1 raters, 1 left out who failed the checks; the page has the figures with them',
    );
    const { pairs } = await readStudy(join(root, 'ev/study/default'));
    await served(['ev/study/default', '--port', '0'], async (address) => {
      const rater = await TestRater.begin(address.slice(0, -1));
      await rater.rateAll(['better', 'fits'], ({ pair: id, left }) => {
        const pair = pairs.find((one) => one.id === id);
        return pair?.check === undefined ? 'tie' : pair.a.id === left.id ? 'left' : 'right';
      });
    });
    const report = await study('report', 'ev/study/default');
    expect([report.code, report.stdout]).toEqual([0, 'ev/study/default/report/index.html\n']);
    expect(report.stderr).toMatch(/Which picture is better\? +sgool over sd/);
    const said = JSON.parse((await study('report', 'ev/study/default', '--json', '--out', 'r')).stdout);
    expect(said.kept[0].couples[0].all).toMatchObject({ ties: 4, share: 0.5 });
    expect(said.page).toBe(join(root, 'r', 'index.html'));
    const lines = (await study('export', 'ev/study/default')).stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(26);
    expect(JSON.parse(lines[1])).toMatchObject({ kind: 'vote', choice: 'tie', question: 'better' });
  });

  it('takes questions of your own, and prints one object with --json', async () => {
    const own = 'hands: Which picture has the better hands? (without text)';
    const { stdout } = await study(
      'create',
      'ev',
      '--name',
      'own',
      '--question',
      'better',
      '--question',
      own,
      '--json',
    );
    expect(JSON.parse(stdout)).toMatchObject({
      folder: join(root, 'ev/study/own'),
      methods: ['sd', 'best-of', 'sgool'],
      pairs: 12,
      questions: [
        { id: 'better', showsText: false },
        { id: 'hands', text: 'Which picture has the better hands?', showsText: false },
      ],
    });
  });

  it('prints a token once where others can reach the page, and keeps one that is given', async () => {
    const open = await served(['made/study/default', '--port', '0', '--host', '0.0.0.0'], async (address) => {
      const { port, searchParams } = new URL(address);
      expect(searchParams.get('token')).toMatch(/^[\w-]{43}$/);
      expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(401);
      expect(
        (await fetch(`http://127.0.0.1:${port}/?token=${searchParams.get('token')}`, { redirect: 'manual' }))
          .status,
      ).toBe(303);
    });
    const token = new URL(open.stdout.trim()).searchParams.get('token') ?? '';
    expect(open.stderr).not.toContain(token);
    expect(open.stdout.split(token)).toHaveLength(2);
    const given = '0123456789abcdef';
    const named = await served(
      ['made/study/default', '--port', '0', '--name', 'study.example.org', '--token', given],
      async () => {},
    );
    expect(named.stdout).toMatch(/^http:\/\/study\.example\.org:\d+\/\?token=0123456789abcdef\n$/);
  });
});

describe('one line for', () => {
  it.each([
    ['create nowhere', 1, 'nowhere: is no evaluation, it has no evaluation.json'],
    ['create made/study/default', 1, 'is no evaluation'],
    ['create one', 1, 'a study needs at least two methods, and this evaluation has only sd'],
    [
      'create ev --name x --methods sd',
      1,
      '--methods: needs at least two, got sd; choose from sd, best-of, sgool',
    ],
    [
      'create ev --name x --methods sd,dalle',
      1,
      'this evaluation has no dalle; choose from sd, best-of, sgool',
    ],
    ['create made', 1, 'there is a study of this name; give another one with --name'],
    ['create ev --name ../x', 2, '--name: not usable, got ../x'],
    ['create ev --name x --pairs 0', 2, '--pairs: not usable, got 0; give a whole number from 1 up to 10000'],
    ['create ev --name x --per-rater many', 2, '--per-rater: not usable, got many'],
    ['create ev --name x --checks -1', 2, '--checks: not usable, got -1'],
    ['create ev --name x --seed 1.5', 2, '--seed: not usable, got 1.5'],
    [
      'create ev --name x --pairing some',
      2,
      "argument 'some' is invalid. Allowed choices are all, reference",
    ],
    ['create ev --name x --question nicer', 2, '--question: not usable, got nicer; write "id: text"'],
    ['create ev --name x --question better --question better', 2, '--question: better is there twice'],
    ['create ev --name x --title', 2, "option '--title <text>' argument missing"],
    [
      'serve nowhere',
      1,
      'nowhere: is no study, it has no study.json; make one with sgool study create <evaluation>',
    ],
    ['serve newer/study/default', 1, 'a newer sgool wrote it (format 7), this one reads up to 1'],
    ['serve gone/study/default', 1, 'the picture is missing; copy the whole folder of the study'],
    [
      'serve made/study/default --port 70000',
      2,
      '--port: not usable, got 70000; give a whole number from 0 up to 65535',
    ],
    ['serve made/study/default --host 203.0.113.5', 2, '--host: 203.0.113.5 is no address of this machine'],
    [
      'serve made/study/default --name http://x',
      2,
      '--name: not usable, got http://x; give a host name without http://',
    ],
    ['serve made/study/default --token short', 2, '--token: not usable, got 5 characters'],
    ['report nowhere', 1, 'is no study'],
    ['report newer/study/default', 1, 'a newer sgool wrote it'],
    ['export nowhere', 1, 'is no study'],
  ])('sgool study %s', async (line, code, message) => {
    const ended = await study(...line.split(' '));
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toContain(message);
    expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('a port that is taken', async () => {
    await served(['made/study/default', '--port', '0'], async (address) => {
      const { port } = new URL(address);
      const { code, stderr } = await study('serve', 'made/study/default', '--port', port);
      expect([code, stderr]).toEqual([
        2,
        `sgool: --port: ${port} is taken; give another one, or 0 for a free one\n`,
      ]);
    });
  });
});
