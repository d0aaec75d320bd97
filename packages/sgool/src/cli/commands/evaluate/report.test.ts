import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeEvaluation } from '../../../evaluate/testing.ts';
import { runCli } from '../../cli.ts';
import { engine } from '../../engine.ts';
import { fakeHost, runOnFakes } from '../../testing.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-report-command-'));
  await fakeEvaluation(join(folder, 'run'), { prompts: 6 });
});
afterAll(() => rm(folder, { recursive: true }));

const report = (...given: string[]) => runOnFakes(folder, ['evaluate', 'report', ...given]);

describe('sgool evaluate report', () => {
  it('writes the page, says the answer, and prints where the page is', async () => {
    const { code, stdout, stderr } = await report('run');
    expect(code).toBe(0);
    expect(stdout).toBe('run/report/index.html\n');
    expect(stderr).toMatch(/^By judge, /);
    expect(stderr).toMatch(/sgool: the report is at file:\/\/\/.*index\.html\n$/);
    expect(await readFile(join(folder, 'run/report/index.html'), 'utf8')).toContain('<h2 id="answer">');
  });

  it('prints the summary as one JSON object, though a run has an option of that name too', async () => {
    const { stdout, stderr } = await report('run', '--json', '--out', 'elsewhere', '--judge', 'clip_b');
    const found = JSON.parse(stdout);
    expect(stderr).toBe('');
    expect(found.folder).toBe(join(folder, 'elsewhere'));
    expect(found.summary.judges[0]).toBe('clip_b');
    expect(found.files).toContain('means-fake-judge.png');
    expect(existsSync(join(folder, 'elsewhere/index.html'))).toBe(true);
  });

  it('limits the pictures', async () => {
    await report('run', '--pictures', '0', '--out', 'bare');
    expect(await readFile(join(folder, 'bare/index.html'), 'utf8')).not.toContain('data:image');
  });

  const WRONG: readonly (readonly [string[], string, number])[] = [
    [['nothing'], 'is no evaluation, it has no evaluation.json', 1],
    [['run', '--judge', 'clip_a'], '--judge: clip_a selects best-of, so it cannot judge it', 2],
    [['run', '--judge', 'none'], '--judge: the evaluation has no score none; it has clip_a,', 2],
    [['run', '--pictures', 'many'], '--pictures: not usable, got many; give megabytes from 0 up to 500', 2],
    [['run', '--pictures', '501'], '--pictures: not usable, got 501', 2],
    [['run', '--pictures', '-1'], '--pictures: not usable, got -1', 2],
    [[], 'missing required argument', 2],
  ];
  it.each(WRONG)('says in one line what is wrong: %j', async (given, message, code) => {
    const found = await report(...given);
    expect(found.stderr).toContain(message);
    expect(found.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(found.code).toBe(code);
  });
});

describe('sgool evaluate', () => {
  it.each([['--json'], ['--limit', '3'], ['--no-report']])(
    'refuses an option of a run before a subcommand: %s',
    async (...given) => {
      const { code, stderr, stdout } = await runOnFakes(folder, ['evaluate', ...given, 'status', 'run']);
      expect(stderr).toBe(
        `sgool: evaluate: ${given[0]} is an option of a run and comes before a subcommand; the options of a subcommand come after its name\n`,
      );
      expect(stdout).toBe('');
      expect(code).toBe(2);
    },
  );

  it('ends with a report, unless told otherwise, and other options keep their command', async () => {
    await writeFile(join(folder, 'one.txt'), 'a red cat\n');
    const run = async (...given: string[]) => {
      const host = fakeHost(folder, { engine });
      const variants = ['--methods', 'sd', '--variant', 'two: sd steps=2', '--out', 'real'];
      const code = await runCli(['evaluate', '--suite', 'one.txt', ...variants, ...given], host);
      return { code, ...host.written };
    };
    expect((await run('--no-report')).code).toBe(0);
    expect(existsSync(join(folder, 'real/report'))).toBe(false);
    const { stdout, stderr } = await run('--json');
    expect(JSON.parse(stdout)).toMatchObject({ done: 2, report: join(folder, 'real/report/index.html') });
    expect(stderr).toContain('the report is at file:///');
    const page = await readFile(join(folder, 'real/report/index.html'), 'utf8');
    expect(page).toContain('The methods differ in steps: 50 (sd), 2 (two);');
    const share = await run('--shard', '1/1');
    expect(share.stderr).toContain('no report of a share');
    const status = fakeHost(folder);
    await runCli(['evaluate', 'status', 'real', '--json'], status);
    expect(JSON.parse(status.written.stdout)).toMatchObject({ done: 2, failed: 0 });
  });
});
