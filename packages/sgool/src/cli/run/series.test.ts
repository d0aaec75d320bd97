import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UserError } from '../../errors.ts';
import { encodePng } from '../../image/png.ts';
import { readImage } from '../../image/read-image.ts';
import { runCli } from '../cli.ts';
import { discImage, fakeEngine, fakeHost, runOnFakes, type Setting } from '../testing.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-series-'));
});
afterEach(() => rm(cwd, { recursive: true }));

const sgool = (argv: readonly string[], setting?: Setting) => runOnFakes(cwd, argv, setting);
const summary = async (out = 'out') => JSON.parse(await readFile(join(cwd, out, 'summary.json'), 'utf8'));
const generate = (...argv: string[]) => ['generate', ...argv, '--seed', '5', '--out', 'out', '--quiet'];

describe('a series', () => {
  it('runs seeds one after the other, each in its folder, with a summary and a grid', async () => {
    const { code, stdout } = await sgool(generate('a red cat', '--count', '3'));
    expect(code).toBe(0);
    const folders = ['001-5', '002-6', '003-7'];
    expect(stdout).toBe(folders.map((name) => `${join('out', name, 'image.png')}\n`).join(''));
    expect((await readdir(join(cwd, 'out'))).sort()).toEqual([...folders, 'grid.png', 'summary.json']);
    const { status, runs } = await summary();
    expect(status).toBe('done');
    expect(runs).toMatchObject(folders.map((folder, i) => ({ folder, seed: 5 + i, status: 'done' })));
    const one = JSON.parse(await readFile(join(cwd, 'out/002-6/run.json'), 'utf8'));
    expect(one).toMatchObject({ seed: 6, prompt: 'a red cat' });
    expect(one.repeat).not.toContain('--count');
    expect((await readImage(join(cwd, 'out/grid.png'))).width).toBeGreaterThan(256);
  });

  it('goes on behind 2^53 and around 2^64, exactly', async () => {
    const seed = '18446744073709551615';
    await sgool(['generate', 'x', '--seed', seed, '--count', '2', '--out', 'out', '--quiet']);
    expect((await summary()).runs.map((run: { seed: unknown }) => run.seed)).toEqual([seed, 0]);
  });

  it('takes prompts from a file or the standard input, with a row of seeds for each', async () => {
    await writeFile(join(cwd, 'prompts.txt'), '\ufeffa red cat\r\n\r\n  a blue boat\n');
    await sgool(generate('--prompts', 'prompts.txt', '--count', '2'));
    const wanted = [
      ['a red cat', 5],
      ['a red cat', 6],
      ['a blue boat', 5],
      ['a blue boat', 6],
    ];
    const { runs } = await summary();
    expect(runs.map((run: { prompt: string; seed: number }) => [run.prompt, run.seed])).toEqual(wanted);
    const { stdout } = await sgool([...generate('--prompts', '-'), '--json'], { input: 'a\nb' });
    const lines = stdout.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).prompt)).toEqual(['a', 'b']);
    // Beside the series that is there.
    expect((await summary('out-2')).runs).toHaveLength(2);
  });

  it('refines one image for several prompts', async () => {
    await writeFile(join(cwd, 'disc.png'), encodePng(discImage(0)));
    const { code } = await sgool(['refine', 'disc.png', '--prompts', '-', '--out', 'out'], { input: 'a\nb' });
    expect([code, (await summary()).runs.length]).toEqual([0, 2]);
  });

  it('loads the model once', async () => {
    const engine = fakeEngine();
    const open = vi.spyOn(engine, 'openPipeline');
    expect(await runCli(generate('a', '--count', '3'), fakeHost(cwd, { engine }))).toBe(0);
    expect(open).toHaveBeenCalledTimes(1);
  });

  it('names a run that fails and goes on, and leaves nothing where all fail', async () => {
    let runs = 0;
    const before = (iteration: number) => {
      if (iteration === 0 && ++runs === 2) throw new UserError('the second one');
    };
    const { code, stderr } = await sgool(generate('a', '--count', '3'), { fake: { before } });
    expect(code).toBe(1);
    expect(stderr).toContain('sgool: run 2 of 3: the second one\n');
    expect(stderr).toContain('sgool: 1 of 3 runs failed; out has the others');
    expect((await summary()).runs.map((run: { status: string }) => run.status)).toEqual([
      'done',
      'failed',
      'done',
    ]);
    const all = await sgool(['generate', 'a', '--count', '2', '--model', 'magic', '--out', 'none']);
    expect(all.code).toBe(1);
    expect(await readdir(cwd)).not.toContain('none');
  });

  it('stops as a whole', async () => {
    let seen = 0;
    const host = fakeHost(cwd, {
      engine: fakeEngine({ before: () => void (++seen === 6 && host.interrupt()) }),
    });
    expect(await runCli(generate('a', '--count', '9'), host)).toBe(130);
    const { status, runs } = await summary();
    expect(status).toBe('stopped');
    expect(runs.map((run: { status: string }) => run.status)).toEqual(['done', 'stopped']);
  });

  it.each<[string, string[], string, RegExp]>([
    ['a prompt as well', ['a cat', '--prompts', '-'], 'a', /--prompts: .* leave out the prompt/],
    ['no prompt at all', [], '', /^sgool: missing required argument 'prompt'$/],
    ['an empty file', ['--prompts', '-'], ' \n', /--prompts: the standard input holds no prompt/],
    ['options in a line', ['--prompts', '-'], 'a\n--prompt "b"', /line 2 of .* begins with an option/],
    ['no file', ['--prompts', 'no.txt'], '', /cannot read .*no\.txt: the file does not exist/],
    ['a count of none', ['a', '--count', '0'], '', /--count: not usable, got 0; give a whole number from 1/],
    [
      'a name of an image',
      ['a', '--out', 'cat.png'],
      '',
      /--out: is the folder for all files .* leave out \.png/,
    ],
  ])('refuses %s', async (_, words, input, message) => {
    const { code, stderr } = await sgool(['generate', ...words], { input });
    expect(code).toBe(2);
    expect(stderr.trim()).toMatch(message);
    expect(stderr.trim()).not.toContain('\n');
  });
});

describe('a signal', () => {
  it('ends a run that does not react to the first one', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      let hangs: (() => void) | undefined;
      const hanging = new Promise<void>((reached) => {
        hangs = reached;
      });
      const before = (iteration: number) => {
        if (iteration < 2) return undefined;
        hangs?.();
        return new Promise<void>(() => {});
      };
      const host = fakeHost(cwd, { engine: fakeEngine({ before }) });
      void runCli(['generate', 'a', '--out', 'out', '--quiet'], host);
      await hanging;
      host.interrupt('SIGTERM');
      vi.advanceTimersByTime(6900);
      expect(host.exits).toEqual([]);
      vi.advanceTimersByTime(200);
      expect(host.exits).toEqual([143]);
      const record = JSON.parse(await readFile(join(cwd, 'out/run.json'), 'utf8'));
      expect(record).toMatchObject({ status: 'stopped', bestIteration: 1 });
      expect(host.written.stderr).toMatch(
        /sgool: stopped; the best image so far \(iteration 1\) is in out\n$/,
      );
    } finally {
      vi.useRealTimers();
    }
  });

  it('leaves no folder where there is no image yet', async () => {
    let hangs: (() => void) | undefined;
    const hanging = new Promise<void>((reached) => {
      hangs = reached;
    });
    const before = () => {
      hangs?.();
      return new Promise<void>(() => {});
    };
    const host = fakeHost(cwd, { engine: fakeEngine({ before }) });
    void runCli(['generate', 'a', '--out', 'out', '--quiet'], host);
    await hanging;
    host.interrupt();
    host.interrupt();
    expect(host.exits).toEqual([130]);
    expect(host.written.stderr).toContain('sgool: stopped before there was an image\n');
    expect(await readdir(cwd)).toEqual([]);
  });
});
