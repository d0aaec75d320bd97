/** @file The server that keeps the queues: BullMQ on Redis, Valkey or PostgreSQL behind one small interface. */
import type { BackendFactory, Queue, QueueOptions, RedisQueueBackend, Worker, WorkerOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { UserError } from '../../errors.ts';
import { optionalPackage } from '../../platform/optional-package.ts';
import { CellRows } from './cell-rows.ts';
import { firstError } from './first-error.ts';
import { openTls, tlsHint } from './queue-tls.ts';
import type { QueueAddress } from './queue-url.ts';

/** Any queue of BullMQ; jobs are checked where they are read. */
export type CellQueue = Queue<unknown, unknown, string>;
export type CellQueueWorker = Worker<unknown, unknown, string>;
type BullMq = typeof import('bullmq');

/** A server, connected. */
export interface QueueServer {
  readonly address: QueueAddress;
  readonly bullmq: BullMq;
  /** The table of results, where the server has tables. */
  readonly rows: CellRows | undefined;
  queue(name: string): CellQueue;
  worker(
    name: string,
    process: NonNullable<ConstructorParameters<typeof Worker<unknown, unknown, string>>[1]>,
    options: Omit<WorkerOptions, 'connection'>,
  ): CellQueueWorker;
  /** Names of the queues on the server that sgool has filled. */
  names(): Promise<string[]>;
  /** Closes what is open. Never waits for a server that is gone. */
  close(): Promise<void>;
}

/** For how long a server may take to answer the first time. */
const CONNECT_MS = 5_000;
/** Longest wait between two attempts to reach a server that has gone away. */
const RECONNECT_MS = 2_000;
/**
 * Connections of one process to PostgreSQL: one listens for new jobs, one asks and answers, one renews locks meanwhile. The other
 * two close when they are idle.
 */
const PG_CONNECTIONS = 3;
const PG_SCHEMA = 'bullmq';
/** BullMQ's scripts need commands of this version. */
const REDIS_LEAST = [6, 2] as const;

/**
 * Connects to a server and prepares it: the tables of BullMQ and of the results in PostgreSQL.
 *
 * @throws UserError, in one line and without the password, where it cannot be reached, refuses, or is too old
 */
export async function connectQueue(address: QueueAddress): Promise<QueueServer> {
  return address.engine === 'redis' ? connectRedis(address) : connectPostgres(address);
}

const loadBullMq = () => optionalPackage('bullmq', () => import('bullmq'));

async function connectRedis(address: QueueAddress): Promise<QueueServer> {
  const { Redis: Client } = await optionalPackage('ioredis', () => import('ioredis'));
  const bullmq = await loadBullMq();
  const encryption = address.tls ? { tls: await openTls(address.tls) } : {};
  const probe = new Client(address.url, {
    ...encryption,
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: CONNECT_MS,
  });
  let refusal: unknown;
  probe.on('error', (error) => {
    refusal = error;
  });
  try {
    await probe.connect();
    const [, found = ''] = /^redis_version:(\S+)/m.exec(await probe.info('server')) ?? [];
    const [major = 0, minor = 0] = found.split('.').map(Number);
    if (major < REDIS_LEAST[0] || (major === REDIS_LEAST[0] && minor < REDIS_LEAST[1])) {
      throw new UserError(
        `--queue: ${address.shown}: is version ${found || 'unknown'}; needs Redis ${REDIS_LEAST.join('.')} or Valkey`,
      );
    }
  } catch (error) {
    // What the client says of itself ("Connection is closed") is less than what the server has said.
    throw unreachable(address, refusal ?? error);
  } finally {
    probe.disconnect();
  }
  const connect = () => {
    const client = new Client(address.url, {
      ...encryption,
      // Commands wait until the server is back.
      maxRetriesPerRequest: null,
      retryStrategy: (times) => Math.min(times * 100, RECONNECT_MS),
    });
    client.on('error', () => undefined);
    return client;
  };
  const clients: Redis[] = [];
  const opened = (): Redis => {
    const client = connect();
    clients.push(client);
    return client;
  };
  return serverOf({
    address,
    bullmq,
    rows: undefined,
    connection: () => opened(),
    backend: bullmq.createRedisBackend,
    async names() {
      const client = opened();
      const names = new Set<string>();
      let cursor = '0';
      do {
        const [next, keys] = await client.scan(cursor, 'MATCH', 'bull:sgool-*:meta', 'COUNT', 1000);
        for (const key of keys) names.add(key.slice('bull:'.length, -':meta'.length));
        cursor = next;
      } while (cursor !== '0');
      return [...names].toSorted();
    },
    async end() {
      for (const client of clients) client.disconnect();
    },
  });
}

async function connectPostgres(address: QueueAddress): Promise<QueueServer> {
  const { default: pg } = await optionalPackage('pg', () => import('pg'));
  const bullmq = await loadBullMq();
  const pool: Pool = new pg.Pool({
    connectionString: address.url,
    max: PG_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    // BullMQ names its tables without their schema.
    options: `${address.options} -c search_path=${PG_SCHEMA},public`.trim(),
    ...(address.tls === undefined ? {} : { ssl: address.tls && (await openTls(address.tls)) }),
  });
  // A connection that was idle when the server went away, and one that somebody held: the next question opens another one.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  const rows = new CellRows(pool);
  try {
    const client = await pool.connect();
    try {
      await bullmq.runMigrations(client, PG_SCHEMA);
    } finally {
      client.release();
    }
    await rows.prepare();
  } catch (error) {
    await pool.end().catch(() => undefined);
    throw unreachable(address, error);
  }
  return serverOf({
    address,
    bullmq,
    rows,
    connection: () => pool,
    // Queues and workers know backends by their interface; only the defaults of their types name Redis.
    backend: bullmq.createPostgresBackend as unknown as Backend,
    async names() {
      const { rows: found } = await pool.query<{ queue: string }>(
        `SELECT DISTINCT queue FROM ${PG_SCHEMA}.meta WHERE queue LIKE 'sgool-%' ORDER BY queue`,
      );
      return found.map(({ queue }) => queue);
    },
    end: () => pool.end(),
  });
}

type Backend = BackendFactory<RedisQueueBackend>;

interface ServerParts extends Pick<QueueServer, 'address' | 'bullmq' | 'rows' | 'names'> {
  connection(): unknown;
  readonly backend: Backend;
  end(): Promise<void>;
}

/** Longest time that closing may take: a server that is gone does not answer. */
const CLOSE_MS = 2_000;

function serverOf({ address, bullmq, rows, names, connection, backend, end }: ServerParts): QueueServer {
  const open: { close(): Promise<unknown>; on(event: 'error', listener: () => void): unknown }[] = [];
  const connected = () => ({ connection: connection() as QueueOptions['connection'] });
  return {
    address,
    bullmq,
    rows,
    names,
    queue(name) {
      const queue = new bullmq.Queue<unknown, unknown, string>(name, connected(), backend);
      queue.on('error', () => undefined);
      open.push(queue);
      return queue;
    },
    worker(name, process, options) {
      const worker = new bullmq.Worker<unknown, unknown, string>(
        name,
        process,
        { ...options, ...connected() },
        backend,
      );
      open.push(worker);
      return worker;
    },
    async close() {
      await within(CLOSE_MS, Promise.allSettled(open.map((one) => one.close())));
      await within(CLOSE_MS, end());
    },
  };
}

/** Waits, but not for longer than this. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}

/** What went wrong with a server, in one line. */
export function queueReason(address: QueueAddress, error: unknown): string {
  const first = firstError(error);
  const text = first?.message || first?.code || 'unknown error';
  return address.scrub(text).replaceAll(/\s*\n\s*/g, ' ');
}

const IS_PASSWORD = /password|WRONGPASS|NOAUTH|authentication/i;

function unreachable(address: QueueAddress, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const reason = queueReason(address, error);
  const hint =
    tlsHint(firstError(error), Boolean(address.tls)) ??
    (IS_PASSWORD.test(reason)
      ? 'check the user and the password in its address'
      : 'is the server running, and is its address right?');
  // Without its cause: the clients' errors carry the command that failed, which may be the one with the password.
  return new UserError(`--queue: ${address.shown}: ${reason}; ${hint}`);
}
