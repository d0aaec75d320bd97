import dns from 'node:dns';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Cell } from '../cells/cell.ts';
import type { Results } from './results.ts';
import { readS3Url, s3Results } from './s3-results.ts';
import { fakeCell } from './testing/fake-cells.ts';
import { FAKE_S3_HOST, type FakeS3, startFakeS3 } from './testing/fake-s3.ts';
import { freePort } from './testing/servers.ts';

const ID = 'ab'.repeat(32);
const CELL: Cell = {
  method: 'sd',
  settings: {},
  model: { name: 'toybox', hash: 'f'.repeat(64) },
  prompt: 'a cat',
  negativePrompt: '',
  seed: 2n ** 60n,
};
const RECORD = `results/run 1/cells/ab/${ID}.json`;
const IMAGE = `results/run 1/cells/ab/${ID}.png`;
const made = fakeCell(ID, CELL);
const failed = {
  format: 1 as const,
  id: ID,
  cell: CELL,
  status: 'failed' as const,
  error: 'the device is busy',
  retry: true,
  attempts: 3,
  machine: 'fake',
  finished: '2026-01-02T03:04:05.000Z',
};

let s3: FakeS3;
let results: Results;
const KEYS = {
  region: 'eu-west-1',
  keys: { key: { secret: 's3cret' }, temporary: { secret: 'other', token: 'its token' } },
};
const environment = () => ({
  AWS_ENDPOINT_URL_S3: s3.url,
  AWS_REGION: 'eu-west-1',
  AWS_ACCESS_KEY_ID: 'key',
  AWS_SECRET_ACCESS_KEY: 's3cret',
});
beforeAll(async () => {
  // The client says on the console that it will need Node 22 some day.
  vi.stubEnv('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true');
  s3 = await startFakeS3('results', KEYS);
  results = await s3Results('s3://results/run 1/', environment());
});
afterAll(async () => {
  vi.unstubAllEnvs();
  results.close();
  await s3.stop();
});
beforeEach(() => {
  s3.objects.clear();
  s3.log.length = 0;
});

test('a cell is written under its id, and read back whole', async () => {
  expect(await results.read(ID)).toBeUndefined();
  await results.write(made);
  expect([...s3.objects.keys()]).toEqual([IMAGE, RECORD]);
  const kept = await results.read(ID);
  expect(kept?.record).toEqual(made.record);
  expect(Buffer.from(kept?.png ?? [])).toEqual(Buffer.from(made.png));
});

test('a second worker with other pixels changes nothing', async () => {
  await results.write(made);
  const before = new Map(s3.objects);
  const other = { ...made, png: made.png.slice(0, -1) };
  await results.write(other);
  expect(new Map(s3.objects)).toEqual(before);
  expect(s3.log).toContain(`PUT ${IMAGE} 412`);
});

test('an image whose worker died before its record is written again', async () => {
  s3.objects.set(IMAGE, Buffer.from('of a worker that died'));
  await results.write(made);
  expect((await results.read(ID))?.record.status).toBe('done');
});

test('a record whose image is missing or another one is not done', async () => {
  await results.write(made);
  s3.objects.set(IMAGE, Buffer.from('another image'));
  expect(await results.read(ID)).toBeUndefined();
  s3.objects.delete(IMAGE);
  expect(await results.read(ID)).toBeUndefined();
  await results.write(made);
  expect((await results.read(ID))?.record.status).toBe('done');
});

test('a failure is replaced by what came of another attempt, and never replaces it', async () => {
  await results.writeFailure(failed);
  expect((await results.read(ID))?.record).toEqual(failed);
  await results.write(made);
  await results.writeFailure(failed);
  expect((await results.read(ID))?.record.status).toBe('done');
  await results.remove(ID);
  expect(await results.read(ID)).toBeUndefined();
});

test('the manifest is put once; a bucket without one is refused', async () => {
  await expect(results.check()).rejects.toThrow(
    's3://results/run 1/: holds no evaluation.json; is this the bucket of the evaluation?',
  );
  await results.begin(Buffer.from('first'));
  await results.begin(Buffer.from('second'));
  await results.check();
  expect(String(s3.objects.get('results/run 1/evaluation.json'))).toBe('first');
});

const TEMPORARY = { AWS_ACCESS_KEY_ID: 'temporary', AWS_SECRET_ACCESS_KEY: 'other' };

test.each<[what: string, place: string, change: () => Promise<object> | object, line: RegExp]>([
  [
    'a bucket that is not there',
    's3://nowhere/x',
    () => ({}),
    /NoSuchBucket: .*; check the name of the bucket$/,
  ],
  [
    'another region',
    's3://results/x',
    () => ({ AWS_REGION: 'us-east-1' }),
    /expecting 'eu-west-1'; set AWS_REGION to the /,
  ],
  [
    'no region',
    's3://results/x',
    () => ({ AWS_REGION: undefined }),
    /expecting 'eu-west-1'; set AWS_REGION to the /,
  ],
  [
    'a wrong key',
    's3://results/x',
    () => ({ AWS_ACCESS_KEY_ID: 'who' }),
    /InvalidAccessKeyId: .*; check AWS_ACCESS_KEY_ID$/,
  ],
  [
    'a wrong secret',
    's3://results/x',
    () => ({ AWS_SECRET_ACCESS_KEY: 'wr0ng' }),
    /SignatureDoesNotMatch: .*; check AWS_SECRET_ACCESS_KEY$/,
  ],
  [
    'a token too many',
    's3://results/x',
    () => ({ AWS_SESSION_TOKEN: 'x' }),
    /InvalidToken: .*; AWS_SESSION_TOKEN must /,
  ],
  ['a token that is missing', 's3://results/x', () => TEMPORARY, /InvalidToken: .*; AWS_SESSION_TOKEN must /],
  [
    'a closed port',
    's3://results/x',
    async () => ({ AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${await freePort()}` }),
    /ECONNREFUSED/,
  ],
])('%s is one line without the secret', async (_, place, change, line) => {
  const refused = await s3Results(place, { ...environment(), ...(await change()) });
  const { message } = await refused.read(ID).then(
    () => new Error('it was read'),
    (error: unknown) => error as Error,
  );
  refused.close();
  expect(message).toMatch(line);
  expect(message).toMatch(new RegExp(`^${place}/: [^\\n]*$`));
  expect(message).not.toMatch(/s3cret|wr0ng/);
});

test('half of a key, and a word that is no addressing, are refused', async () => {
  const half = { ...environment(), AWS_SECRET_ACCESS_KEY: '' };
  await expect(s3Results('s3://results/x', half)).rejects.toThrow(
    '--results: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together, got the first alone; set both or none',
  );
  await expect(s3Results('s3://results/x', { SGOOL_S3_ADDRESSING: 'host' })).rejects.toThrow(
    'SGOOL_S3_ADDRESSING: not usable, got host; give path or virtual',
  );
});

test('a temporary key with its token', async () => {
  const temporary = await s3Results('s3://results/run 1', {
    ...environment(),
    ...TEMPORARY,
    AWS_SESSION_TOKEN: 'its token',
  });
  await temporary.write(made);
  expect((await temporary.read(ID))?.record.status).toBe('done');
  temporary.close();
});

test.each(['path', 'virtual'] as const)('the bucket in the %s of the address', async (style) => {
  // The name that a bucket has as a host leads to the server here.
  const { lookup } = dns;
  const hosts = new Set<string>();
  const spy = vi.spyOn(dns, 'lookup').mockImplementation(((host: string, ...rest: [never, never]) => {
    hosts.add(host);
    return lookup('127.0.0.1', ...rest);
  }) as typeof lookup);
  const endpoint = s3.url.replace('127.0.0.1', FAKE_S3_HOST);
  const named = await s3Results('s3://results/run 1', {
    ...environment(),
    AWS_ENDPOINT_URL_S3: endpoint,
    SGOOL_S3_ADDRESSING: style,
  });
  await named.write(made);
  named.close();
  spy.mockRestore();
  expect([...hosts]).toEqual([style === 'virtual' ? `results.${FAKE_S3_HOST}` : FAKE_S3_HOST]);
  expect([...s3.objects.keys()]).toEqual([IMAGE, RECORD]);
});

test.each([
  ['s3://bucket', { bucket: 'bucket', prefix: '' }],
  ['s3://bucket/', { bucket: 'bucket', prefix: '' }],
  ['S3://my.bucket/a//b/', { bucket: 'my.bucket', prefix: 'a/b/' }],
])('%s', (text, place) => expect(readS3Url(text)).toEqual(place));

test.each(['s3://', 's3:///x', 's3://a', 's3://under_score/x'])('%s is refused', (text) => {
  expect(() => readS3Url(text)).toThrow(`--results: not usable, got ${text}; give s3://bucket/prefix`);
});
