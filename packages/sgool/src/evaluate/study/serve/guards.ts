/** @file What stands before every answer of the server: who may ask, from where, and how often. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';

/** Names of this machine that no other machine has. */
const LOOPBACK = ['localhost', '127.0.0.1', '::1'];
const EVERYWHERE = ['0.0.0.0', '::'];

/** Whether an address is reached from this machine only. */
export const isLoopback = (host: string): boolean => LOOPBACK.includes(host);

/**
 * The names under which a server may be asked. A page of a stranger whose name is made to point here (DNS rebinding) asks under
 * that name, and is refused.
 *
 * @param host that the server is bound to
 * @param added names of a proxy or tunnel before it
 */
export function namesOf(host: string, added: readonly string[]): Set<string> {
  const own = EVERYWHERE.includes(host)
    ? [
        hostname(),
        `${hostname()}.local`,
        ...Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)),
      ]
    : [host];
  return new Set([...LOOPBACK, ...own, ...added].map((name) => name.toLowerCase()));
}

/** The name to give to others for a server that is bound to `host`: for all addresses, one that others can reach. */
export function nameToGive(host: string): string {
  if (!EVERYWHERE.includes(host)) return host;
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? hostname();
}

/** The name in a Host header, without the port: `[::1]:80` is `::1`. Undefined where it is none. */
export function nameInHost(header: string | undefined): string | undefined {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(header ?? '') ?? [];
  return (bracketed ?? plain)?.toLowerCase();
}

/** A host as it stands in a URL. */
export const hostInUrl = (host: string): string => (isIPv6(host) ? `[${host}]` : host);

/** Whether two secrets are equal, in a time that does not depend on where they differ. */
export function isSameSecret(given: string, secret: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(secret));
}

export interface Rate {
  /** Requests at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** Most keys that are remembered; the oldest is forgotten first. */
const MOST_KEYS = 10_000;

/** Counts requests by key. Reference: the token bucket; Turner 1986, "New directions in communications". */
export class RateLimit {
  readonly #rate: Rate;
  readonly #now: () => number;
  readonly #buckets = new Map<string, { left: number; at: number }>();

  /** @param now in milliseconds */
  constructor(rate: Rate, now: () => number) {
    this.#rate = rate;
    this.#now = now;
  }

  /** @returns 0 where the request may pass, else the seconds after which to ask again */
  take(key: string): number {
    const { burst, perSecond } = this.#rate;
    const now = this.#now();
    const { left, at } = this.#buckets.get(key) ?? { left: burst, at: now };
    const filled = Math.min(burst, left + ((now - at) / 1000) * perSecond);
    this.#buckets.delete(key);
    const passes = filled >= 1;
    this.#buckets.set(key, { left: passes ? filled - 1 : filled, at: now });
    if (this.#buckets.size > MOST_KEYS) {
      const [oldest] = this.#buckets.keys();
      this.#buckets.delete(oldest);
    }
    return passes ? 0 : Math.ceil((1 - filled) / perSecond);
  }
}
