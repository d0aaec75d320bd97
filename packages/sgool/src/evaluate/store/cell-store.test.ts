import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import type { CellRecord } from '../cells/cell-record.ts';
import { planCells } from '../cells/plan.ts';
import { runCell } from '../cells/run-cell.ts';
import { fakeManifest, fakeRunner } from '../cells/testing.ts';
import { CellStore, STALE_MS, thisWorker } from './cell-store.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sgool-cell-store-'));
});
afterAll(() => rm(root, { recursive: true }));
const folderOf = () => mkdtemp(join(root, 'index-'));
const ids = (count: number) => Array.from({ length: count }, (_, i) => `cell-${String(i).padStart(4, '0')}`);
const elsewhere = (owner: string) => ({ owner, host: 'another-machine', process: 1 });

async function doneRecord(): Promise<CellRecord> {
  return (await runCell(fakeRunner(), planCells(fakeManifest())[0])).record;
}
const failedRecord = { status: 'failed', error: 'why', attempts: 2, retry: false } as CellRecord;

describe('the index', () => {
  it('gives cells in the order of the plan, each once, and counts them', async () => {
    const store = CellStore.open(await folderOf(), ids(3));
    const worker = thisWorker();
    store.heartbeat(worker);
    expect([1, 2, 3, 4].map(() => store.claim(worker)?.id)).toEqual([...ids(3), undefined]);
    store.note(ids(3)[0], await doneRecord());
    store.note(ids(3)[1], failedRecord);
    store.release(ids(3)[2], worker);
    expect(store.counts()).toEqual({ waiting: 1, running: 0, done: 1, failed: 1, total: 3 });
    expect(store.failures()).toEqual([{ id: ids(3)[1], error: 'why', attempts: 2, retry: false }]);
    store.close();
  });

  it('claims and counts the cells of the plan only, where others are in it', async () => {
    const folder = await folderOf();
    CellStore.open(folder, ids(4)).close();
    const part = CellStore.open(folder, ids(4).slice(2));
    expect(part.counts().total).toBe(2);
    expect([1, 2, 3].map(() => part.claim(thisWorker())?.id)).toEqual([...ids(4).slice(2), undefined]);
    part.close();
    const whole = CellStore.open(folder);
    expect(whole.counts()).toMatchObject({ total: 4, running: 2, waiting: 2 });
    whole.close();
  });

  it('says how often a cell has failed, and lets it wait again', async () => {
    const store = CellStore.open(await folderOf(), ids(2));
    const worker = thisWorker();
    store.note(ids(2)[0], failedRecord);
    store.note(ids(2)[1], { ...failedRecord, retry: true } as CellRecord);
    expect(store.retry(false)).toEqual([ids(2)[1]]);
    expect(store.claim(worker)).toEqual({ id: ids(2)[1], attempts: 2 });
    expect(store.retry(true)).toEqual([ids(2)[0]]);
    store.close();
  });

  it('leaves a cell that is in work to its worker, and does not give it to one that lost it', async () => {
    const store = CellStore.open(await folderOf(), ids(1));
    const [mine, theirs] = [thisWorker(), elsewhere('b')];
    store.heartbeat(mine);
    store.claim(mine);
    store.note(ids(1)[0], undefined);
    expect(store.holds(ids(1)[0], mine)).toBe(true);
    store.release(ids(1)[0], theirs);
    expect(store.counts().running).toBe(1);
    expect(store.holds(ids(1)[0], theirs)).toBe(false);
    store.close();
  });
});

describe('workers that died', () => {
  const setUp = async (worker: ReturnType<typeof elsewhere>, seen: number) => {
    const store = CellStore.open(await folderOf(), ids(1));
    store.heartbeat(worker, seen);
    store.claim(worker);
    return store;
  };
  it.each([
    ['here, its process is gone', hostname(), 0, false, 1],
    ['here, its process runs and is silent, since it compiles', hostname(), 3 * STALE_MS, true, 0],
    ['here, its number is that of another process', hostname(), 20 * STALE_MS, true, 1],
    ['elsewhere, heard of lately', 'another-machine', STALE_MS - 1, false, 0],
    ['elsewhere, silent', 'another-machine', STALE_MS, true, 1],
  ])('%s', async (_, host, silence, alive, reclaimed) => {
    const store = await setUp({ owner: 'w', host, process: 1 }, 1000);
    expect(store.reclaim(1000 + silence, () => alive)).toBe(reclaimed);
    expect(store.counts().waiting).toBe(reclaimed);
    expect(store.workers()).toHaveLength(1 - reclaimed);
    store.close();
  });

  it('one that left, and one that never said that it lives, have lost theirs, too', async () => {
    const store = await setUp(elsewhere('w'), Date.now());
    store.leave(elsewhere('w'));
    expect(store.reclaim()).toBe(1);
    store.claim(elsewhere('silent'));
    expect(store.reclaim()).toBe(1);
    store.close();
  });
});

/** Claims until nothing waits, in a process of its own; prints what it got. With `hang` it holds its first cell for ever. */
const CLAIMER = `
const { CellStore, thisWorker } = await import(process.argv[1]);
const store = CellStore.open(process.argv[2]);
const worker = thisWorker();
store.heartbeat(worker);
const claimed = [];
for (let found = store.claim(worker); found !== undefined; found = store.claim(worker)) {
  claimed.push(found.id);
  // As if a cell took some time, so that the others get theirs.
  await new Promise((resolve) => setTimeout(resolve, 2));
  if (process.argv[3] === 'hang') { console.log(JSON.stringify(claimed)); setInterval(() => {}, 1000); await new Promise(() => {}); }
}
console.log(JSON.stringify(claimed));
`;

function claimer(folder: string, mode = 'all') {
  const module = new URL('./cell-store.ts', import.meta.url).href;
  const flags = [
    '--import',
    import.meta.resolve('tsx'),
    '--conditions',
    '@sgool/source',
    '--input-type=module',
  ];
  const child = spawn(process.execPath, [...flags, '-e', CLAIMER, module, folder, mode]);
  const errors: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text));
  const claimed = new Promise<string[]>((resolve, reject) => {
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (out.endsWith('\n')) resolve(JSON.parse(out));
    });
    child.on('close', () => reject(new Error(`no answer: ${errors.join('')}`)));
  });
  return { child, claimed };
}

describe('several processes', () => {
  it('share the cells: each is claimed once', async () => {
    const folder = await folderOf();
    CellStore.open(folder, ids(600)).close();
    const parts = await Promise.all(
      [claimer(folder), claimer(folder), claimer(folder)].map(({ claimed }) => claimed),
    );
    expect(parts.flat().toSorted()).toEqual(ids(600));
    expect(parts.filter((part) => part.length > 0).length).toBeGreaterThan(1);
  });

  it('take over the cell of one that was killed', async () => {
    const folder = await folderOf();
    const store = CellStore.open(folder, ids(1));
    const { child, claimed } = claimer(folder, 'hang');
    expect(await claimed).toEqual(ids(1));
    expect(store.reclaim()).toBe(0);
    const gone = new Promise((resolve) => child.on('close', resolve));
    child.kill('SIGKILL');
    await gone;
    expect(store.reclaim()).toBe(1);
    expect(store.claim(thisWorker())?.id).toBe(ids(1)[0]);
    store.close();
  });
});

describe('an index that cannot be used is named in one line', () => {
  const failure = (folder: string): UserError => {
    try {
      CellStore.open(folder).close();
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      expect((error as UserError).message).not.toContain('\n');
      return error as UserError;
    }
    throw new Error('it was opened');
  };

  it('of a newer version', async () => {
    const folder = await folderOf();
    const database = new DatabaseSync(join(folder, 'index.sqlite'));
    database.exec('PRAGMA user_version = 2');
    database.close();
    expect(failure(folder).message).toMatch(
      /index\.sqlite: a newer sgool made it \(version 2\), this one reads up to 1/,
    );
  });

  it('broken', async () => {
    const folder = await folderOf();
    await writeFile(
      join(folder, 'index.sqlite'),
      'this is no database, and it is long enough to be read'.repeat(99),
    );
    expect(failure(folder).message).toMatch(/index\.sqlite: cannot be used: .*sgool evaluate rebuild/);
  });

  it('of another program', async () => {
    const folder = await folderOf();
    const database = new DatabaseSync(join(folder, 'index.sqlite'));
    database.exec('PRAGMA user_version = 1; CREATE TABLE cells (other TEXT)');
    database.close();
    expect(failure(folder).message).toMatch(/cannot be used: table cells has no column named id/);
  });

  it('in a folder that is not there', () => {
    expect(failure(join(root, 'none')).message).toMatch(/cannot be opened|cannot be used/);
  });
});
