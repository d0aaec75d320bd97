/** @file What many workers do to the store that they share: claims, heartbeats, connections. `npm run bench -- queue --help`. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DatabaseSync } from '@photostructure/sqlite';
import {
  type BackendFactory,
  createPostgresBackend,
  createRedisBackend,
  Queue,
  runMigrations,
  Worker,
} from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';

const HELP = `Usage: npm run bench -- queue [options]

  --sqlite              claims of an index on this disk, by 1, 2, 4 and 8 processes
  --url <url>           a server that may be filled: redis://... or postgres://...
  --workers <list>      numbers of workers (default: 1,10,100)
  --jobs <n>            jobs of each measurement (default: 2000)
  --seconds <n>         how long workers are idle, and hold a job (default: 5)

Servers to measure with:
  mkdir data && redis-server --port 7777 --save '' --appendonly yes --dir data
  initdb -D pg -U me && postgres -D pg -p 7778 -k '' -c max_connections=500
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    sqlite: { type: 'boolean', default: false },
    url: { type: 'string' },
    workers: { type: 'string', default: '1,10,100' },
    jobs: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '5' },
    claimer: { type: 'string' },
  },
});
const JOBS = Number(values.jobs);
const SECONDS = Number(values.seconds);

const print = (text: string) => void process.stdout.write(`${text}\n`);
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The statements of the index of evaluations (evaluate/store), with its settings. */
function openIndex(path: string) {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA busy_timeout = 60000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
  database.exec(
    'CREATE TABLE IF NOT EXISTS cells (id TEXT PRIMARY KEY, position INTEGER, state TEXT, owner TEXT, seconds REAL) STRICT;',
  );
  database.exec('CREATE INDEX IF NOT EXISTS cells_by_state ON cells (state, position)');
  return database;
}

/** Claims and ends cells until none waits. @returns how many, and the longest wait for one in milliseconds */
function claimAll(path: string): { claims: number; worst: number } {
  const database = openIndex(path);
  const claim = database.prepare(
    `UPDATE cells SET state = 'running', owner = ? WHERE id = (SELECT id FROM cells WHERE state = 'waiting' ORDER BY position LIMIT 1) RETURNING id`,
  );
  const note = database.prepare("UPDATE cells SET state = 'done', owner = NULL, seconds = 1 WHERE id = ?");
  const owner = String(process.pid);
  let claims = 0;
  let worst = 0;
  for (;;) {
    const started = performance.now();
    database.exec('BEGIN IMMEDIATE');
    const row = claim.get(owner) as { id: string } | undefined;
    database.exec('COMMIT');
    if (row === undefined) break;
    note.run(row.id);
    claims++;
    worst = Math.max(worst, performance.now() - started);
  }
  database.close();
  return { claims, worst };
}

async function measureSqlite(): Promise<void> {
  print('SQLite  processes  cells/s  longest wait');
  for (const processes of [1, 2, 4, 8]) {
    const folder = mkdtempSync(join(tmpdir(), 'sgool-bench-queue-'));
    const path = join(folder, 'index.sqlite');
    const database = openIndex(path);
    database.exec('BEGIN');
    const insert = database.prepare("INSERT INTO cells VALUES (?, ?, 'waiting', NULL, NULL)");
    for (let i = 0; i < JOBS * 5; i++) insert.run(`cell-${i}`, i);
    database.exec('COMMIT');
    database.close();
    const results = await Promise.all(Array.from({ length: processes }, () => claimer(path)));
    const seconds =
      (Math.max(...results.map(({ end }) => end)) - Math.min(...results.map(({ start }) => start))) / 1000;
    const claims = results.reduce((sum, one) => sum + one.claims, 0);
    const worst = Math.max(...results.map((one) => one.worst));
    print(
      `        ${String(processes).padStart(9)}  ${(claims / seconds).toFixed(0).padStart(7)}  ${worst.toFixed(0)} ms`,
    );
    rmSync(folder, { recursive: true });
  }
}

/** One process that claims. */
function claimer(path: string): Promise<{ claims: number; worst: number; start: number; end: number }> {
  const child = spawn(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), '--claimer', path],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return new Promise((resolve) => child.on('exit', () => resolve(JSON.parse(text))));
}

/** A server as this program sees it. */
interface Server {
  readonly backend: BackendFactory<never>;
  /** A connection of its own, as each worker process has one. */
  connect(): { connection: unknown; close(): Promise<void> };
  /** Seconds of processor time that the server has used so far; NaN where it is not on this machine. */
  cpu(): Promise<number>;
  connections(): Promise<number>;
  close(): Promise<void>;
}

async function redisServer(url: string): Promise<Server> {
  const own = new Redis(url);
  const info = async (section: string, key: string) =>
    Number(new RegExp(`^${key}:(\\S+)`, 'm').exec(await own.info(section))?.[1]);
  return {
    backend: createRedisBackend as unknown as BackendFactory<never>,
    connect() {
      const client = new Redis(url, { maxRetriesPerRequest: null });
      return { connection: client, close: async () => client.disconnect() };
    },
    cpu: async () => (await info('cpu', 'used_cpu_sys')) + (await info('cpu', 'used_cpu_user')),
    connections: () => info('clients', 'connected_clients'),
    close: async () => own.disconnect(),
  };
}

async function postgresServer(url: string): Promise<Server> {
  const own = new pg.Client({ connectionString: url });
  await own.connect();
  await runMigrations(own);
  const pids = async () =>
    (await own.query<{ pid: number }>('SELECT pid FROM pg_stat_activity')).rows.map(({ pid }) => pid);
  /** Processes that have ended count with what they had used when they were last seen. */
  const used = new Map<number, number>();
  return {
    backend: createPostgresBackend as unknown as BackendFactory<never>,
    connect() {
      const pool = new pg.Pool({ connectionString: url, max: 3, options: '-c search_path=bullmq,public' });
      pool.on('error', () => undefined);
      return { connection: pool, close: () => pool.end() };
    },
    async cpu() {
      for (const pid of await pids()) used.set(pid, processSeconds(pid) ?? used.get(pid) ?? Number.NaN);
      return [...used.values()].reduce((sum, seconds) => sum + seconds, 0);
    },
    connections: async () => (await pids()).length,
    close: () => own.end(),
  };
}

/** Processor time of a process on Linux, in seconds. */
function processSeconds(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return undefined;
  }
}

async function measureServer(url: string): Promise<void> {
  const server = await (url.startsWith('postgres') ? postgresServer(url) : redisServer(url));
  print(
    'workers  connections  added/s  cells/s  server ms/cell  idle: server cores  heartbeats/s: server ms each',
  );
  for (const count of (values.workers ?? '').split(',').map(Number)) {
    const name = `sgool-bench-${count}-${Date.now()}`;
    const main = server.connect();
    const queue = new Queue(name, { connection: main.connection as never }, server.backend);
    const connections = Array.from({ length: count }, () => server.connect());
    let done = 0;
    let hold = 0;
    let errors = 0;
    const workers = connections.map(({ connection }) => {
      const worker = new Worker(
        name,
        async () => {
          if (hold > 0) await pause(hold);
          done++;
        },
        // Locks are renewed every second here, and every minute by sgool's workers.
        {
          connection: connection as never,
          autorun: false,
          lockDuration: 2000,
          stalledInterval: 30_000,
          maxStalledCount: 5,
        },
        server.backend,
      );
      worker.on('error', () => errors++);
      return worker;
    });
    await Promise.all(workers.map((worker) => worker.waitUntilReady()));

    const add = async (jobs: number) => {
      for (let i = 0; i < jobs; i += 500) {
        const size = Math.min(500, jobs - i);
        await queue.addBulk(
          Array.from({ length: size }, () => ({ name: 'cell', data: { prompt: 'x'.repeat(1500) } })),
        );
      }
    };
    let started = performance.now();
    await add(JOBS);
    const added = JOBS / ((performance.now() - started) / 1000);
    let cpu = await server.cpu();
    started = performance.now();
    for (const worker of workers) void worker.run();
    while (done < JOBS) await pause(5);
    const rate = JOBS / ((performance.now() - started) / 1000);
    const each = (1000 * ((await server.cpu()) - cpu)) / JOBS;
    const open = await server.connections();

    cpu = await server.cpu();
    await pause(SECONDS * 1000);
    const idle = ((await server.cpu()) - cpu) / SECONDS;

    hold = SECONDS * 1000;
    done = 0;
    await add(count);
    await pause(1000);
    cpu = await server.cpu();
    await pause((SECONDS - 2) * 1000);
    const beat = (1000 * ((await server.cpu()) - cpu)) / (count * (SECONDS - 2));
    while (done < count) await pause(50);
    print(
      [
        String(count).padStart(7),
        String(open).padStart(11),
        added.toFixed(0).padStart(7),
        rate.toFixed(0).padStart(7),
        each.toFixed(2).padStart(14),
        idle.toFixed(3).padStart(18),
        `${count}: ${beat.toFixed(2)}`.padStart(29),
      ].join('  '),
    );
    if (errors > 0) print(`         ${errors} errors, most of them locks that were renewed too late`);
    await Promise.all(workers.map((worker) => worker.close()));
    await queue.obliterate({ force: true });
    await queue.close();
    for (const one of [main, ...connections]) await one.close();
  }
  await server.close();
}

if (values.claimer !== undefined) {
  const start = Date.now();
  print(JSON.stringify({ ...claimAll(values.claimer), start, end: Date.now() }));
} else if (values.help || (!values.sqlite && values.url === undefined)) {
  print(HELP);
} else {
  if (values.sqlite) await measureSqlite();
  if (values.url !== undefined) await measureServer(values.url);
}
