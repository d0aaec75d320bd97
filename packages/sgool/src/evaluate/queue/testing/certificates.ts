/** @file Certificates for tests of TLS, made by the system's OpenSSL: an authority, a server, a client, and an authority of nobody. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Password of the client's key. */
export const KEY_PASSWORD = 'k3y pass';

export interface TestCertificates {
  /** Path of a PEM file: `ca.pem`, `server.pem` (for `localhost`, signed by ca), `client.key`, `other.pem` (an authority). */
  file(name: string): string;
  remove(): void;
}

/** Makes them, for two days. */
export async function makeCertificates(): Promise<TestCertificates> {
  const folder = mkdtempSync(join(tmpdir(), 'sgool-tls-'));
  const file = (name: string) => join(folder, name);
  /** One command: a new key and its certificate, signed by itself or by ca. */
  const make = (name: string, more: readonly string[]) =>
    run('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-days', '2'],
      ...['-subj', `/CN=sgool test ${name}`, '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)],
      ...more,
    ]);
  const signed = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-addext', 'basicConstraints=CA:FALSE'];
  await make('ca', ['-nodes']);
  await make('other', ['-nodes']);
  await make('server', ['-nodes', ...signed, '-addext', 'subjectAltName=DNS:localhost']);
  await make('client', ['-passout', `pass:${KEY_PASSWORD}`, ...signed]);
  return { file, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
