/** @file Real servers for tests, from the programs that the system has, on random ports and in temporary folders. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestCertificates } from './certificates.ts';

/** A server that a test has started. */
export interface TestServer {
  /** Address with user and password. */
  readonly url: string;
  readonly password: string;
  /** Ends the process, as a crash or a restart does; its data stay. */
  down(): Promise<void>;
  /** Starts it again on the same port. */
  up(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

export const PASSWORD = 's3cret/pass word';

function onPath(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

const redisServer = onPath('redis-server');
const valkeyServer = onPath('valkey-server');

function postgresFolder(): string | undefined {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).toSorted((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(root, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

const postgresBinaries = postgresFolder();
const isRoot = process.getuid?.() === 0;
/** PostgreSQL refuses to run as root. */
const asUser = isRoot ? onPath('setpriv') : undefined;

/** Why a server cannot be started here; undefined where it can. */
export const MISSING = {
  redis:
    redisServer === undefined && valkeyServer === undefined
      ? 'redis-server or valkey-server is not installed'
      : undefined,
  valkey: valkeyServer === undefined ? 'valkey-server is not installed' : undefined,
  postgres:
    postgresBinaries === undefined
      ? 'PostgreSQL is not installed (initdb, postgres)'
      : isRoot && asUser === undefined
        ? 'PostgreSQL does not run as root, and there is no setpriv'
        : undefined,
  openssl: onPath('openssl') === undefined ? 'openssl is not installed' : undefined,
} as const;

export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/** A program that is ready when its output says so. */
async function started(
  command: string,
  args: readonly string[],
  ready: RegExp,
  cwd: string,
): Promise<ChildProcess> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      if (ready.test(output)) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${command} ended with ${code}: ${output}`)));
  });
  return child;
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    const force = setTimeout(() => child.kill('SIGKILL'), 5_000);
    child.on('exit', () => {
      clearTimeout(force);
      resolve();
    });
    child.kill(signal);
  });
}

/** How a server speaks TLS, and nothing else. */
export interface TestTls {
  readonly certificates: TestCertificates;
  /** Whether it asks clients for a certificate; Redis only. */
  readonly asksClients?: boolean;
}

/** Starts Redis or Valkey: the one that the scheme of its address names, if it is installed, else the other. */
export async function startRedis(scheme = 'redis', tls?: TestTls): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'sgool-redis-'));
  const port = await freePort();
  const program = scheme.startsWith('valkey') ? (valkeyServer ?? redisServer) : (redisServer ?? valkeyServer);
  const file = (name: string) => tls?.certificates.file(name) ?? '';
  const ports =
    tls === undefined
      ? ['--port', String(port)]
      : [
          ...['--port', '0', '--tls-port', String(port), '--tls-cert-file', file('server.pem')],
          ...['--tls-key-file', file('server.key'), '--tls-ca-cert-file', file('ca.pem')],
          ...['--tls-auth-clients', tls.asksClients ? 'yes' : 'no'],
        ];
  const args = [
    ...ports,
    ...['--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes'],
    ...['--appendfsync', 'everysec', '--requirepass', PASSWORD, '--maxmemory-policy', 'noeviction'],
  ];
  let child: ChildProcess | undefined;
  const server: TestServer = {
    url: `${scheme}://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`,
    password: PASSWORD,
    async up() {
      child = await started(program ?? 'redis-server', args, /Ready to accept connections/, folder);
    },
    down: () => ended(child, 'SIGTERM'),
    async stop() {
      await ended(child, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await server.up();
  return server;
}

/** Starts PostgreSQL with a new cluster. */
export async function startPostgres(tls?: TestTls): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'sgool-postgres-'));
  chmodSync(folder, 0o755);
  const bin = (name: string) => join(postgresBinaries ?? '', name);
  const run = (name: string, args: readonly string[]): [string, string[]] =>
    asUser === undefined
      ? [bin(name), [...args]]
      : [asUser, ['--reuid=postgres', '--regid=postgres', '--clear-groups', bin(name), ...args]];
  const data = join(folder, 'data');
  const port = await freePort();
  const init = () => {
    if (asUser !== undefined) execFileSync('chown', ['postgres', folder]);
    const passwordFile = join(folder, 'password');
    execFileSync('sh', ['-c', 'printf "%s\\n" "$1" > "$2" && chmod 644 "$2"', 'sh', PASSWORD, passwordFile]);
    const [command, args] = run('initdb', [
      ...['-D', data, '-U', 'sgool', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`],
      ...['-E', 'UTF8', '--locale=C', '--no-sync'],
    ]);
    execFileSync(command, args, { stdio: 'ignore', cwd: folder });
  };
  /** Settings of TLS, and rules that let nobody in without it. */
  const encrypted = ({ certificates }: TestTls): string[] => {
    const at = (name: string) => join(folder, name);
    for (const name of ['server.pem', 'server.key']) copyFileSync(certificates.file(name), at(name));
    chmodSync(at('server.key'), 0o600);
    if (asUser !== undefined) execFileSync('chown', ['postgres', at('server.key')]);
    writeFileSync(at('hba'), 'hostssl all all all scram-sha-256\n');
    return [
      ...[
        '-c',
        'ssl=on',
        '-c',
        `ssl_cert_file=${at('server.pem')}`,
        '-c',
        `ssl_key_file=${at('server.key')}`,
      ],
      ...['-c', `hba_file=${at('hba')}`],
    ];
  };
  let settings: string[] = [];
  let child: ChildProcess | undefined;
  const server: TestServer = {
    url: `postgres://sgool:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/postgres`,
    password: PASSWORD,
    async up() {
      const [command, args] = run('postgres', [
        ...['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-k', ''],
        ...['-c', 'fsync=off', ...settings],
      ]);
      child = await started(command, args, /ready to accept connections/, folder);
    },
    // Fast shutdown: open connections are ended.
    down: () => ended(child, 'SIGINT'),
    async stop() {
      await ended(child, 'SIGINT');
      rmSync(folder, { recursive: true, force: true });
    },
  };
  init();
  if (tls !== undefined) settings = encrypted(tls);
  await server.up();
  return server;
}
