import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { UserError } from '../errors.ts';
import type * as AtomicFile from '../weights/sources/atomic-file.ts';
import type { Manifest } from './cells/manifest.ts';
import { planCells } from './cells/plan.ts';
import type { CellRunner } from './cells/run-cell.ts';
import { cellPaths, EVALUATION_FILES, readEvaluation, readRecord } from './cells/run-folder.ts';
import { fakeManifest, fakeRunner, fakeScorer } from './cells/testing.ts';
import { type EndedCell, type EvaluationOptions, runEvaluation, syncStore } from './run-evaluation.ts';
import { CellStore, thisWorker } from './store/cell-store.ts';

/** Writes that the disk refuses: those of paths that this says yes to. */
const disk: { refuses: (path: string) => boolean } = { refuses: () => false };
vi.mock('../weights/sources/atomic-file.ts', async (original) => {
  const real = await original<typeof AtomicFile>();
  return {
    ...real,
    writeFileAtomic: async (path: string, data: Uint8Array | string) => {
      if (disk.refuses(path)) throw new UserError(`cannot write ${path}: no space left on the disk`);
      return real.writeFileAtomic(path, data);
    },
  };
});

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sgool-run-evaluation-'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(() => {
  disk.refuses = () => false;
});

/** Runs the fake evaluation in a folder; with what was told of each cell. */
async function run(
  folder: string,
  runner: CellRunner,
  { manifest = fakeManifest(), ...options }: EvaluationOptions & { manifest?: Manifest } = {},
) {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, EVALUATION_FILES.manifest), JSON.stringify(manifest));
  const ended: EndedCell[] = [];
  const counts = await runEvaluation(folder, manifest, planCells(manifest), runner, {
    onCell: (cell) => ended.push(cell),
    ...options,
  });
  return { counts, ended };
}
const newFolder = () => mkdtemp(join(root, 'run-'));
const filesOf = async (folder: string) => (await readdir(folder, { recursive: true })).toSorted();
const indexOf = (folder: string) => {
  const store = CellStore.open(folder);
  try {
    return { states: store.states(), failures: store.failures(), workers: store.workers() };
  } finally {
    store.close();
  }
};

describe('a run', () => {
  it('makes every cell once, tells of each, and a second one does nothing', async () => {
    const folder = await newFolder();
    const { counts, ended } = await run(folder, fakeRunner());
    expect(counts).toEqual({ waiting: 0, running: 0, done: 4, failed: 0, total: 4 });
    expect(ended.map(({ planned, counts: now }) => `${planned.prompt} ${planned.label} ${now.done}`)).toEqual(
      ['1 sd 1', '1 sgool 2', '2 sd 3', '2 sgool 4'],
    );
    expect(ended[0].waiting.map(({ prompt, label }) => `${prompt} ${label}`)).toEqual([
      '1 sgool',
      '2 sd',
      '2 sgool',
    ]);
    expect(ended[0].processes).toBe(1);
    const before = await filesOf(folder);
    expect((await run(folder, fakeRunner())).ended).toEqual([]);
    expect(await filesOf(folder)).toEqual(before);
    expect(indexOf(folder).workers).toEqual([]);
  });

  it('gives the judge the truth of a prompt, also where another suite has the prompt without', async () => {
    const manifest = fakeManifest();
    const [suite] = manifest.suites;
    const bare = { ...suite, name: 'bare', prompts: [{ id: 'x', text: 'prompt 1' }] };
    const seen: unknown[] = [];
    const scorer = fakeScorer('fake', ({ prompt }) => {
      seen.push(prompt.readings);
      return { fake: 1 };
    });
    await run(await newFolder(), fakeRunner({ scorers: [scorer] }), {
      manifest: { ...manifest, suites: [bare, suite] },
    });
    expect(seen).toHaveLength(4);
    expect(seen.filter((readings) => readings !== undefined)).toEqual([
      suite.prompts[0].readings,
      suite.prompts[0].readings,
    ]);
  });

  it('makes the image again that is missing, and the one that was changed before it was to be scored', async () => {
    const folder = await newFolder();
    await run(folder, fakeRunner());
    const [first, second] = planCells(fakeManifest());
    const image = await readFile(cellPaths(folder, first.id).image);
    await rm(cellPaths(folder, first.id).image);
    expect((await run(folder, fakeRunner())).ended.map(({ planned }) => planned.id)).toEqual([first.id]);
    await writeFile(cellPaths(folder, second.id).image, image);
    const both = fakeRunner({ scorers: [fakeScorer('fake'), fakeScorer('later')] });
    const { ended } = await run(folder, both);
    expect(ended.map(({ isScoredOnly }) => isScoredOnly)).toEqual([true, false, true, true]);
  });

  it('removes what a killed process left half-written', async () => {
    const folder = await newFolder();
    await run(folder, fakeRunner());
    const { image } = cellPaths(folder, planCells(fakeManifest())[0].id);
    const before = await filesOf(folder);
    await writeFile(join(dirname(image), '.abc.png.4711-0a1b2c3d.tmp'), 'half');
    await writeFile(join(folder, '.evaluation.json.4711-0a1b2c3d.tmp'), 'half');
    await run(folder, fakeRunner());
    expect(await filesOf(folder)).toEqual(before);
  });

  it('leaves half-written files alone while another process is at work', async () => {
    const folder = await newFolder();
    const store = CellStore.open(folder, ['other']);
    store.heartbeat({ ...thisWorker(), owner: 'other' });
    await writeFile(join(folder, '.evaluation.json.4711-0a1b2c3d.tmp'), 'half');
    await run(folder, fakeRunner());
    expect(existsSync(join(folder, '.evaluation.json.4711-0a1b2c3d.tmp'))).toBe(true);
    store.close();
  });
});

describe('a cell that fails', () => {
  const failing = fakeRunner({
    before(prompt, method) {
      if (prompt === 'prompt 1' && method === 'sgool')
        throw new UserError('unet: the noise prediction\nis not finite');
    },
  });

  it('is recorded with the reason and its attempts, and the others go on; it is not run again by itself', async () => {
    const folder = await newFolder();
    expect((await run(folder, failing)).counts).toMatchObject({ done: 3, failed: 1 });
    const { cells } = await readEvaluation(folder);
    const failed = cells.find(({ record }) => record?.status === 'failed');
    expect(failed).toMatchObject({ label: 'sgool', prompt: '1' });
    expect(failed?.record).toMatchObject({
      error: 'unet: the noise prediction is not finite',
      retry: false,
      attempts: 1,
    });
    expect((await run(folder, failing)).ended).toEqual([]);
    const store = CellStore.open(folder);
    const [id] = store.retry(true);
    store.close();
    await rm(cellPaths(folder, id).record);
    await run(folder, failing);
    expect(await readRecord(folder, id)).toMatchObject({ attempts: 2 });
    expect(indexOf(folder).failures).toMatchObject([{ attempts: 2, retry: false }]);
  });

  it('and a score that is NaN leaves the image, with a note', async () => {
    const folder = await newFolder();
    const nan = fakeScorer('fake', ({ prompt }) => ({ fake: prompt.text === 'prompt 2' ? Number.NaN : 1 }));
    expect((await run(folder, fakeRunner({ scorers: [nan] }))).counts).toMatchObject({ done: 4, failed: 0 });
    const { cells } = await readEvaluation(folder);
    const noted = cells.filter(({ record }) => record?.status === 'done' && record.notes !== undefined);
    expect(noted.map(({ prompt }) => prompt)).toEqual(['2', '2']);
  });
});

describe('a disk that is full', () => {
  it('ends the run after three cells that could not be written, and loses nothing', async () => {
    const folder = await newFolder();
    const made: string[] = [];
    const counting = fakeRunner({
      before: (prompt, method, i) => void (i === 0 && made.push(`${prompt} ${method}`)),
    });
    let written = 0;
    disk.refuses = (path) => path.includes('cells') && ++written > 2;
    const told: string[] = [];
    await expect(
      run(folder, counting, { onUnwritten: ({ label }, error) => told.push(`${label}: ${error.message}`) }),
    ).rejects.toThrow(/^cannot write .*: no space left on the disk$/);
    expect(made).toEqual(['prompt 1 sd', 'prompt 1 sgool', 'prompt 1 sgool', 'prompt 1 sgool']);
    expect(told).toHaveLength(2);
    expect([...indexOf(folder).states.values()]).toEqual(['done', 'waiting', 'waiting', 'waiting']);
    disk.refuses = () => false;
    const { ended } = await run(folder, fakeRunner());
    expect(ended.map(({ planned }) => `${planned.prompt} ${planned.label}`)).toEqual([
      '1 sgool',
      '2 sd',
      '2 sgool',
    ]);
  });

  it('that was full once does not end it, and a record that could not be written leaves no cell that counts as done', async () => {
    const folder = await newFolder();
    let refused = 0;
    disk.refuses = (path) => path.endsWith('.json') && refused++ < 2;
    expect((await run(folder, fakeRunner())).counts).toMatchObject({ done: 4 });
    expect(refused).toBeGreaterThan(2);
  });

  it('a folder that cannot be made is named', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, EVALUATION_FILES.cells), 'a file');
    await expect(run(folder, fakeRunner())).rejects.toThrow(
      /cannot make the folder .*cells.*: a part of the path is a file, not a folder$/,
    );
  });
});

describe('stopping', () => {
  it('keeps what is finished, lets the cell in work wait, and a later run goes on', async () => {
    const folder = await newFolder();
    const controller = new AbortController();
    const stopping = fakeRunner({
      before: (prompt, method) =>
        void (prompt === 'prompt 1' && method === 'sgool' && controller.abort(new Error('stopped'))),
    });
    await expect(run(folder, stopping, { signal: controller.signal })).rejects.toThrow('stopped');
    expect([...indexOf(folder).states.values()]).toEqual(['done', 'waiting', 'waiting', 'waiting']);
    expect(indexOf(folder).workers).toEqual([]);
    expect((await run(folder, fakeRunner())).ended).toHaveLength(3);
  });
});

describe('scores that are asked for later', () => {
  it('are added to the images that are there, which stay as they are', async () => {
    const folder = await newFolder();
    await run(folder, fakeRunner());
    const before = await readEvaluation(folder);
    let made = 0;
    const both = fakeRunner({
      scorers: [fakeScorer('fake'), fakeScorer('later')],
      before: () => void made++,
    });
    const { ended } = await run(folder, both);
    expect(made).toBe(0);
    expect(ended.map(({ isScoredOnly }) => isScoredOnly)).toEqual([true, true, true, true]);
    const after = await readEvaluation(folder);
    for (const [i, { record }] of after.cells.entries()) {
      const old = before.cells[i].record;
      if (record?.status !== 'done' || old?.status !== 'done') throw new Error('a cell is not done');
      expect(record).toEqual({ ...old, scores: { ...old.scores, later: old.scores.fake } });
    }
    expect((await run(folder, both)).ended).toEqual([]);
  });

  it('are given to images that another process made meanwhile without them', async () => {
    const folder = await newFolder();
    const later = fakeScorer('later');
    // The other process takes all cells while this one is in its first.
    const first = fakeRunner({
      scorers: [fakeScorer('fake'), later],
      before: async (prompt, method, i) => {
        if (prompt === 'prompt 1' && method === 'sd' && i === 0) await run(folder, fakeRunner());
      },
    });
    await run(folder, first);
    const { cells } = await readEvaluation(folder);
    expect(cells.map(({ record }) => record?.status === 'done' && 'later' in record.scores)).toEqual(
      cells.map(() => true),
    );
  });
});

describe('several runs at once', () => {
  it('share the cells', async () => {
    const folder = await newFolder();
    const manifest = fakeManifest({ prompts: 20 });
    const made: string[] = [];
    const slow = () =>
      fakeRunner({
        before: async (prompt, method, i) => {
          if (i === 0) made.push(`${prompt} ${method}`);
          await new Promise((resolve) => setTimeout(resolve, 1));
        },
      });
    const runs = await Promise.all([run(folder, slow(), { manifest }), run(folder, slow(), { manifest })]);
    expect(made).toHaveLength(40);
    expect(new Set(made).size).toBe(40);
    for (const { ended } of runs) expect(ended.length).toBeGreaterThan(5);
  });

  it('a cell that was taken over while its process slept is written once: what the other wrote stays', async () => {
    const folder = await newFolder();
    let slept = false;
    const sleeping = fakeRunner({
      before: async () => {
        if (slept) return;
        slept = true;
        const store = CellStore.open(folder);
        for (const worker of store.workers()) store.leave(worker);
        store.close();
        await run(folder, { ...fakeRunner(), machine: 'the other' });
      },
    });
    await run(folder, sleeping);
    const { cells } = await readEvaluation(folder);
    expect(cells.map(({ record }) => record?.machine)).toEqual(cells.map(() => 'the other'));
  });
});

describe('the index', () => {
  it('is made to agree with the files, whatever it says', async () => {
    const folder = await newFolder();
    await run(folder, fakeRunner());
    const plan = planCells(fakeManifest()).map(({ id }) => id);
    await rm(cellPaths(folder, plan[1]).record);
    const store = CellStore.open(folder, plan);
    expect(await syncStore(folder, store)).toBe(1);
    expect(store.states().get(plan[1])).toBe('waiting');
    expect(await syncStore(folder, store, ['later'])).toBe(4);
    expect(await syncStore(folder, store)).toBe(1);
    store.close();
    await rm(join(folder, EVALUATION_FILES.index));
    const made = CellStore.open(folder, plan);
    expect(await syncStore(folder, made)).toBe(1);
    expect(made.counts()).toMatchObject({ done: 3, waiting: 1 });
    made.close();
  });
});
