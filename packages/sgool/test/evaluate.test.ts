/** @file `sgool evaluate` on Toybox, in processes of its own. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { mulberry32 } from 'sgool/evaluate';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { evaluation, killedRuns, traces } from './killed-runs.ts';
import { runSgool } from './run-sgool.ts';
import { describeOnToybox, temporaryFolder } from './toybox-model.ts';

vi.setConfig({ testTimeout: 300_000 });

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder?.remove());

const inFolder = (...names: string[]) => path.join(folder.dir, ...names);

async function records(out: string) {
  const names = await readdir(inFolder(out, 'cells'), { recursive: true });
  const files = names.filter((name) => name.endsWith('.json'));
  return Promise.all(
    files.map(async (name) => JSON.parse(await readFile(inFolder(out, 'cells', name), 'utf8'))),
  );
}

describeOnToybox('sgool evaluate', () => {
  it('killed at any moment and run again, it ends with the same rows and files', async () => {
    const options = { times: 3, prompts: 2, random: mulberry32(Date.now()) };
    const doneAtKill = await killedRuns(folder.dir, options, (disturbed, undisturbed) =>
      expect(disturbed).toEqual(undisturbed),
    );
    expect(doneAtKill).toHaveLength(3);
    // The same command on what is finished does nothing.
    const before = await traces(inFolder('undisturbed'));
    const again = await runSgool(folder.dir, evaluation('undisturbed', 2));
    expect(again.lines).toContain('sgool: 4 cells: 4 done, 0 failed, 0 to do');
    expect(await traces(inFolder('undisturbed'))).toEqual(before);
  });

  it('two processes share one folder: each cell is made once', async () => {
    const words = evaluation('shared', 4);
    const runs = await Promise.all([runSgool(folder.dir, words), runSgool(folder.dir, words)]);
    const made = runs.map(({ lines }) => lines.filter((line) => /^sgool: \d+\/8 /.test(line)).length);
    expect(made[0] + made[1]).toBe(8);
    expect(Math.min(...made)).toBeGreaterThan(0);
    expect(runs.map(({ code }) => code)).toEqual([0, 0]);
    const database = new DatabaseSync(inFolder('shared', 'index.sqlite'));
    expect(database.prepare("SELECT count(*) AS n FROM cells WHERE state = 'done'").get()).toEqual({ n: 8 });
    database.close();
  });

  it('gives all methods of a prompt and seed the same starting noise, and others to other seeds', async () => {
    const methods = ['sd', 'clip-guided', 'doodl', 'sgool', 'best-of'];
    const short: Readonly<Record<string, string>> = {
      sd: 'steps=2',
      'best-of': 'steps=2 iterations=1',
      'clip-guided': 'steps=2',
    };
    const variants = methods.flatMap((name) => [
      '--variant',
      `${name}: ${name} ${short[name] ?? 'steps=2 iterations=1'}`,
    ]);
    const edict = ['--variant', 'edict: sd steps=2 sampler=edict'];
    const words = [
      'evaluate',
      '--suite',
      'toybox',
      '--limit',
      '1',
      '--seeds',
      '2',
      '--out',
      'fair',
      ...variants,
      ...edict,
    ];
    const { code, lines } = await runSgool(folder.dir, words);
    expect(code, lines.join('\n')).toBe(0);
    expect(lines.join('\n')).not.toContain('other noise');
    const all = await records('fair');
    expect(all).toHaveLength(2 * (methods.length + 1));
    for (const seed of [0, 1]) {
      const noises = all.filter(({ cell }) => cell.seed === seed).map(({ noise }) => noise);
      expect(new Set(noises).size, `seed ${seed}`).toBe(1);
    }
    expect(new Set(all.map(({ noise }) => noise)).size).toBe(2);
    // Noise is drawn by prompt-independent rules: nothing but the seed decides it.
    expect(all.filter(({ cell }) => cell.settings.sampler === 'edict').length).toBeGreaterThan(2);
  });

  it('Ctrl-C keeps what is finished, and the same command goes on', async () => {
    const words = evaluation('stopped', 2);
    const stopped = await runSgool(folder.dir, words, { interruptAt: 'sgool: 1/4' });
    expect(stopped.code).toBe(130);
    expect(stopped.lines.slice(-2)).toEqual([
      'sgool: stopping, what is finished is kept; Ctrl-C again stops at once',
      'sgool: stopped; the same command goes on in stopped',
    ]);
    expect((await records('stopped')).length).toBeLessThan(4);
    expect((await runSgool(folder.dir, words)).code).toBe(0);
    expect(await records('stopped')).toHaveLength(4);
  });
});
