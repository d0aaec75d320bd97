import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Cell } from '../cells/cell.ts';
import type { Results } from './results.ts';
import { readS3Url, s3Results } from './s3-results.ts';
import { fakeCell } from './testing/fake-cells.ts';
import { type FakeS3, startFakeS3 } from './testing/fake-s3.ts';

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
const environment = () => ({
  AWS_ENDPOINT_URL_S3: s3.url,
  AWS_ACCESS_KEY_ID: 'key',
  AWS_SECRET_ACCESS_KEY: 'secret',
});
beforeAll(async () => {
  // The client says on the console that it will need Node 22 some day.
  vi.stubEnv('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true');
  s3 = await startFakeS3('results');
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

test('a bucket that is not there is one line', async () => {
  const missing = await s3Results('s3://nowhere/x', environment());
  await expect(missing.read(ID)).rejects.toThrow(/^s3:\/\/nowhere\/x\/: NoSuchBucket: [^\n]*$/);
  missing.close();
});

test.each([
  ['s3://bucket', { bucket: 'bucket', prefix: '' }],
  ['s3://bucket/', { bucket: 'bucket', prefix: '' }],
  ['S3://my.bucket/a//b/', { bucket: 'my.bucket', prefix: 'a/b/' }],
])('%s', (text, place) => expect(readS3Url(text)).toEqual(place));

test.each(['s3://', 's3:///x', 's3://a', 's3://under_score/x'])('%s is refused', (text) => {
  expect(() => readS3Url(text)).toThrow(`--results: not usable, got ${text}; give s3://bucket/prefix`);
});
