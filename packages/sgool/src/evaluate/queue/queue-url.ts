/** @file The address of a queue: which server it names, and how it is shown without its password. */
import { UserError } from '../../errors.ts';
import { TLS_PARAMETERS, type TlsChoice, takeTls } from './queue-tls.ts';

/** What keeps the jobs. */
export type QueueEngine = 'redis' | 'postgres';

/** A server that keeps the queues. */
export interface QueueAddress {
  readonly engine: QueueEngine;
  /** With a scheme that the clients know, and without what stands apart here. Holds the password: never print it. */
  readonly url: string;
  /** How it is encrypted: not at all (false), or as the client of PostgreSQL does it by itself (undefined). */
  readonly tls: TlsChoice | false | undefined;
  /** Command-line options for the sessions of PostgreSQL; empty for none. */
  readonly options: string;
  /** Without the password; for logs, files and messages. */
  readonly shown: string;
  /** The text with every form of the password removed. */
  scrub(text: string): string;
}

interface Scheme {
  readonly engine: QueueEngine;
  /** Whether it means TLS; PostgreSQL's says nothing of it. */
  readonly tls?: boolean;
  /** What the client calls it: Valkey speaks the protocol of Redis, and the client knows only that name. */
  readonly client: string;
}

const SCHEMES: Readonly<Record<string, Scheme>> = {
  'redis:': { engine: 'redis', tls: false, client: 'redis:' },
  'rediss:': { engine: 'redis', tls: true, client: 'rediss:' },
  'valkey:': { engine: 'redis', tls: false, client: 'redis:' },
  'valkeys:': { engine: 'redis', tls: true, client: 'rediss:' },
  'postgres:': { engine: 'postgres', client: 'postgres:' },
  'postgresql:': { engine: 'postgres', client: 'postgresql:' },
};

/** Parameters that the clients read, beside those of TLS. */
const PARAMETERS: Readonly<Record<QueueEngine, readonly string[]>> = {
  redis: ['db', 'family'],
  postgres: [
    ...[
      'host',
      'port',
      'user',
      'password',
      'options',
      'application_name',
      'client_encoding',
      'sslnegotiation',
    ],
    ...['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'query_timeout'],
  ],
};
const HIDDEN = '***';
/** Parameters of an address that are secrets. */
const SECRETS = ['password', 'sslpassword'];

/**
 * Reads `redis://`, `rediss://`, `valkey://` and `postgres://` addresses.
 *
 * @throws UserError, without the password, where it is none of them
 */
export function readQueueUrl(text: string, who = '--queue'): QueueAddress {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    // The text may hold a password: only its scheme is shown.
    throw wrong(who, `not an address, got ${/^[a-z]+:\/\//i.exec(text)?.[0] ?? 'a text without ://'}`);
  }
  const scheme = Object.hasOwn(SCHEMES, url.protocol) ? SCHEMES[url.protocol] : undefined;
  if (scheme === undefined) throw wrong(who, `unknown kind of queue, got ${url.protocol}//`);
  const { engine } = scheme;
  // A socket of PostgreSQL has its folder in a parameter instead of a host.
  if (url.hostname === '' && engine === 'redis') throw wrong(who, 'names no host');
  const secrets = [url.password, ...SECRETS.map((name) => url.searchParams.get(name) ?? '')].filter(
    (secret) => secret !== '',
  );
  const forms = [
    ...new Set(secrets.flatMap((secret) => [secret, decoded(secret), encodeURIComponent(secret)])),
  ]
    .filter((form) => form !== '')
    .toSorted((a, b) => b.length - a.length);
  const bare = new URL(url);
  const tls = takeTls(bare, scheme.tls, who);
  for (const name of bare.searchParams.keys()) {
    if (PARAMETERS[engine].includes(name)) continue;
    throw new UserError(
      `${who}: ${name}: not a parameter of an address of ${engine}; it reads ${[...PARAMETERS[engine], ...TLS_PARAMETERS].join(', ')}`,
      { exitCode: 2 },
    );
  }
  const options = bare.searchParams.get('options') ?? '';
  bare.searchParams.delete('options');
  return {
    engine,
    url: scheme.client + bare.href.slice(bare.protocol.length),
    tls,
    options,
    shown: shown(url),
    scrub: (line) => forms.reduce((rest, form) => rest.replaceAll(form, HIDDEN), line),
  };
}

function shown(url: URL): string {
  const copy = new URL(url);
  if (copy.password !== '') copy.password = HIDDEN;
  for (const name of SECRETS) if (copy.searchParams.has(name)) copy.searchParams.set(name, HIDDEN);
  return copy.href;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const wrong = (who: string, what: string) =>
  new UserError(
    `${who}: ${what}; give redis://host:6379, rediss://, valkey:// or postgres://user@host/database`,
    { exitCode: 2 },
  );
