/** @file The server itself: a socket with limits on what slow or many clients may hold, and an end that loses no vote. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { UserError } from '../../../errors.ts';
import type { StudyApp } from './study-app.ts';

/** A request must be here after this time, its headers after half of it. */
const REQUEST_MS = 10_000;
/** Without a byte for this long, a connection ends. */
const SILENT_MS = 30_000;
const MOST_CONNECTIONS = 512;
/** What requests in progress are given at the end. */
const GRACE_MS = 2000;

export interface Listening {
  readonly port: number;
  /** Takes no more requests, waits for those in progress and for the votes to be on the disk. */
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  /** Time within which a request must have arrived, in milliseconds. */
  readonly requestMs?: number;
}

/** @throws UserError where the port is taken or the address is none of this machine */
export async function listenStudy({ app, votes }: StudyApp, options: ListenOptions): Promise<Listening> {
  const { host, port, requestMs = REQUEST_MS } = options;
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: {
      requestTimeout: requestMs,
      headersTimeout: requestMs / 2,
      connectionsCheckingInterval: Math.min(1000, requestMs / 2),
      maxHeaderSize: 8192,
    },
  }) as Server;
  server.timeout = SILENT_MS;
  server.maxConnections = MOST_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, options)));
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), GRACE_MS);
      await closed;
      clearTimeout(timer);
      await votes.settled();
    },
  };
}

function listenError(error: NodeJS.ErrnoException, { host, port }: ListenOptions): Error {
  const texts: Readonly<Record<string, string>> = {
    EADDRINUSE: `--port: ${port} is taken; give another one, or 0 for a free one`,
    EACCES: `--port: ${port} may not be used; give one from 1024 on`,
    EADDRNOTAVAIL: `--host: ${host} is no address of this machine`,
    ENOTFOUND: `--host: ${host} is no address of this machine`,
    EAI_AGAIN: `--host: ${host} is no address of this machine`,
  };
  const text = texts[error.code ?? ''];
  return text === undefined ? error : new UserError(text, { exitCode: 2, cause: error });
}
