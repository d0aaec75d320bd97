/** @file The address of a queue: which server it names, and how it is shown without its password. */
import { UserError } from '../../errors.ts';

/** What keeps the jobs. */
export type QueueEngine = 'redis' | 'postgres';

/** A server that keeps the queues. */
export interface QueueAddress {
  readonly engine: QueueEngine;
  /** As it was given, with scheme that the clients know. Holds the password: never print it. */
  readonly url: string;
  /** Without the password; for logs, files and messages. */
  readonly shown: string;
  /** The text with every form of the password removed. */
  scrub(text: string): string;
}

const ENGINES: Readonly<Record<string, QueueEngine>> = {
  'redis:': 'redis',
  'rediss:': 'redis',
  'valkey:': 'redis',
  'valkeys:': 'redis',
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
};
/** Valkey speaks the protocol of Redis; the client knows only that name. */
const CLIENT_SCHEMES: Readonly<Record<string, string>> = { 'valkey:': 'redis:', 'valkeys:': 'rediss:' };
const HIDDEN = '***';
/** Parameters of an address that are secrets. */
const SECRETS = ['password', 'sslpassword', 'sslkey'];

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
  const engine = Object.hasOwn(ENGINES, url.protocol) ? ENGINES[url.protocol] : undefined;
  if (engine === undefined) throw wrong(who, `unknown kind of queue, got ${url.protocol}//`);
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
  const scheme = CLIENT_SCHEMES[url.protocol];
  return {
    engine,
    url: scheme === undefined ? text : scheme + text.slice(text.indexOf(':') + 1),
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
