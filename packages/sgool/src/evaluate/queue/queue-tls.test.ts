import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectQueue } from './queue-server.ts';
import { openTls } from './queue-tls.ts';
import { readQueueUrl } from './queue-url.ts';
import { KEY_PASSWORD, makeCertificates, type TestCertificates } from './testing/certificates.ts';
import { MISSING, startPostgres, startRedis, type TestServer } from './testing/servers.ts';

describe('parameters of TLS', () => {
  test.each([
    ['redis://host', false],
    ['rediss://host', { mode: 'verify-full' }],
    ['valkeys://host?sslmode=require', { mode: 'require' }],
    ['rediss://host?sslrootcert=/a/ca.pem', { mode: 'verify-full', sslrootcert: '/a/ca.pem' }],
    ['postgres://host/db', undefined],
    ['postgres://host/db?sslmode=disable', false],
    ['postgres://host/db?sslmode=verify-ca&sslrootcert=ca.pem', { mode: 'verify-ca', sslrootcert: 'ca.pem' }],
    [
      'postgres://host/db?sslcert=a.pem&sslkey=a.key&sslpassword=s3cret',
      { mode: 'verify-full', sslcert: 'a.pem', sslkey: 'a.key', sslpassword: 's3cret' },
    ],
  ])('%s', (text, tls) => {
    const address = readQueueUrl(text);
    expect(address.tls).toEqual(tls);
    expect(address.url).not.toContain('ssl');
    expect(address.shown).not.toContain('s3cret');
  });

  test('the rest of an address stays', () => {
    const { url, options } = readQueueUrl(
      'postgres://me@host/db?application_name=lab&sslmode=require&options=-c%20work_mem%3D8MB',
    );
    expect([url, options]).toEqual(['postgres://me@host/db?application_name=lab', '-c work_mem=8MB']);
  });

  test.each([
    ['redis://host?sslmode=require', 'sslmode is for TLS, and redis:// is without; give rediss://'],
    ['valkey://host?sslrootcert=x', 'sslrootcert is for TLS, and valkey:// is without; give valkeys://'],
    ['rediss://host?sslmode=disable', 'sslmode=disable is without TLS, and rediss:// is TLS; leave one out'],
    [
      'postgres://host/db?sslmode=prefer',
      'sslmode: not usable, got prefer; give one of disable, require, verify-ca, verify-full',
    ],
    [
      'postgres://h/d?sslmode=disable&sslrootcert=x',
      'sslrootcert is for TLS, and sslmode=disable is without',
    ],
    ['postgres://h/d?sslcert=x', 'sslcert and sslkey belong together; give both or none'],
    ['postgres://h/d?sslpassword=x', 'sslpassword is that of sslkey; give both'],
    [
      'redis://host?db=1&tls=true',
      'tls: not a parameter of an address of redis; it reads db, family, sslmode, sslrootcert, sslcert, sslkey, sslpassword',
    ],
  ])('%s is refused', (text, line) => expect(() => readQueueUrl(text)).toThrow(`--queue: ${line}`));
});

describe.skipIf(MISSING.openssl !== undefined)(`certificates (${MISSING.openssl ?? 'made here'})`, () => {
  let certificates: TestCertificates;
  const file = (name: string) => certificates.file(name);
  beforeAll(async () => {
    certificates = await makeCertificates();
  });
  afterAll(() => certificates?.remove());

  test('files that do not help are one line', async () => {
    writeFileSync(file('empty.pem'), 'nothing\n');
    const mode = 'verify-full';
    for (const [choice, line] of [
      [{ sslrootcert: file('none.pem') }, /^--queue: sslrootcert: .*none\.pem: the file does not exist$/],
      [
        { sslrootcert: file('empty.pem') },
        /^--queue: sslrootcert: .*: holds no certificate; give a PEM file$/,
      ],
      [
        { sslcert: file('server.pem'), sslkey: file('server.pem') },
        /^--queue: sslkey: .*: holds no private key; give a PEM file$/,
      ],
      [
        { sslcert: file('server.pem'), sslkey: file('other.key') },
        /^--queue: sslrootcert, sslcert, sslkey: .*belong together\?$/,
      ],
      [
        { sslcert: file('client.pem'), sslkey: file('client.key'), sslpassword: 'wr0ng' },
        /^--queue: sslrootcert, sslcert, sslkey: (?!.*wr0ng).*belong together\?$/,
      ],
    ] as const) {
      await expect(openTls({ mode, ...choice })).rejects.toThrow(line);
    }
  });

  const SERVERS = [
    { engine: 'redis', missing: MISSING.redis, scheme: 'rediss' },
    { engine: 'postgres', missing: MISSING.postgres, scheme: 'postgres' },
  ] as const;
  describe.each(SERVERS)('$engine', ({ engine, missing, scheme }) => {
    let server: TestServer;
    beforeAll(async () => {
      if (missing !== undefined) return;
      const tls = { certificates };
      server = engine === 'redis' ? await startRedis(scheme, tls) : await startPostgres(tls);
    });
    afterAll(() => server?.stop());

    /** The error of a connection, or `ok`. The certificate is that of localhost. */
    async function tried(parameters: string, host = 'localhost'): Promise<string> {
      const url = `${server.url.replace('127.0.0.1', host)}?${parameters}`;
      try {
        const connected = await connectQueue(readQueueUrl(url));
        await connected.names();
        await connected.close();
        return 'ok';
      } catch (error) {
        return (error as Error).message;
      }
    }

    test.skipIf(missing !== undefined)(
      'an authority that is named is trusted, another one is not',
      async () => {
        const ca = `sslrootcert=${file('ca.pem')}`;
        expect(await tried(`sslmode=verify-full&${ca}`)).toBe('ok');
        expect(await tried(ca)).toBe('ok');
        const unknown =
          /^--queue: [^\n]*\*\*\*[^\n]*(?:self-signed|unable to)[^\n]*; name the PEM file of [^\n]*: sslrootcert=FILE$/;
        expect(await tried('sslmode=verify-full')).toMatch(unknown);
        expect(await tried(`sslmode=verify-full&sslrootcert=${file('other.pem')}`)).toMatch(unknown);
        expect(await tried(`sslmode=require&sslrootcert=${file('other.pem')}`)).toMatch(unknown);
        expect(await tried('sslmode=require')).toBe('ok');
      },
    );

    test.skipIf(missing !== undefined)(
      'verify-full wants the host of the certificate, verify-ca does not',
      async () => {
        const ca = `sslrootcert=${file('ca.pem')}`;
        expect(await tried(ca, '127.0.0.1')).toMatch(
          /altnames[^\n]*; its certificate is for another host; give that host, or sslmode=verify-ca$/,
        );
        expect(await tried(`sslmode=verify-ca&${ca}`, '127.0.0.1')).toBe('ok');
        expect(await tried(`sslmode=require&${ca}`, '127.0.0.1')).toBe('ok');
      },
    );

    if (engine === 'redis') {
      test.skipIf(missing !== undefined)('without TLS there is no answer, and a question', async () => {
        const plain = server.url.replace('rediss:', 'redis:');
        await expect(connectQueue(readQueueUrl(plain))).rejects.toThrow(
          /; is the server running, and does it speak without TLS at this port\?$/,
        );
      });
    }

    if (engine === 'postgres') {
      test.skipIf(missing !== undefined)('a server that wants TLS says so', async () => {
        expect(await tried('sslmode=disable')).toMatch(
          /no encryption; it wants TLS: give sslmode=verify-full$/,
        );
      });
    }
  });

  test.skipIf(MISSING.redis !== undefined)(
    'a server that asks for a certificate gets that of the client',
    async () => {
      const server = await startRedis('valkeys', { certificates, asksClients: true });
      const ca = `${server.url.replace('127.0.0.1', 'localhost')}?sslrootcert=${file('ca.pem')}`;
      const own = `sslcert=${file('client.pem')}&sslkey=${file('client.key')}&sslpassword=${encodeURIComponent(KEY_PASSWORD)}`;
      try {
        await expect(connectQueue(readQueueUrl(ca))).rejects.toThrow(/give sslcert=FILE and sslkey=FILE$/);
        const connected = await connectQueue(readQueueUrl(`${ca}&${own}`));
        expect(await connected.names()).toEqual([]);
        await connected.close();
      } finally {
        await server.stop();
      }
    },
  );
});
