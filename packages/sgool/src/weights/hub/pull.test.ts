import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { required, UserError } from '../../errors.ts';
import { markText, ownMark } from '../../platform/process-mark.ts';
import { resolveModel } from '../open/locate-model.ts';
import { findSnapshot, listCachedModels } from './cache.ts';
import { type PullOptions, type PullProgress, pullModel } from './pull.ts';
import { type FakeHub, fakePipeline, gitHash, sha256, startHub } from './testing.ts';

const ID = 'somebody/diffusion-v1-4';
const UNET = 'unet/diffusion_pytorch_model.safetensors';
const COMMIT = 'c'.repeat(40);

let hub: FakeHub;
beforeEach(async () => {
  hub = await startHub({ [ID]: fakePipeline() });
});
afterEach(() => hub.close());

const pull = (options: PullOptions = {}, id = ID) =>
  pullModel(id, { env: hub.env, network: { retries: 2, retryDelay: 1, stall: 5000 }, ...options });
const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => expect.unreachable('it should have failed'),
    (error) => error,
  );
const content = (name: string) => hub.models[ID].files[name];
const storageRequests = () => hub.requests.filter(({ storage }) => storage);
/** Where nobody listens. */
async function closedAddress() {
  const other = await startHub({});
  await other.close();
  return other.endpoint;
}
const blobs = () => readdirSync(path.join(hub.cache, 'models--somebody--diffusion-v1-4/blobs'));

it('a pull brings what the model needs, once, in the layout of the shared cache', async () => {
  const pulled = await pull();
  const model = path.join(hub.cache, 'models--somebody--diffusion-v1-4');
  expect(pulled).toMatchObject({ id: ID, revision: 'main', commit: COMMIT, offline: false });
  expect(pulled.dir).toBe(path.join(model, 'snapshots', COMMIT));
  expect(pulled.downloaded).toBe(pulled.bytes - (content('model_index.json') as string).length);
  expect([...pulled.files].sort()).toEqual([
    'model_index.json',
    'scheduler/scheduler_config.json',
    'text_encoder/config.json',
    'text_encoder/model.safetensors',
    'tokenizer/merges.txt',
    'tokenizer/vocab.json',
    'unet/config.json',
    UNET,
    'vae/config.json',
    'vae/diffusion_pytorch_model.safetensors',
  ]);
  for (const name of pulled.files) {
    const expected = content(name);
    expect(readFileSync(path.join(pulled.dir, name)).equals(Buffer.from(expected as string))).toBe(true);
    const hash = name.endsWith('.safetensors') ? sha256(expected) : gitHash(expected);
    const up = name.includes('/') ? '../../../' : '../../';
    expect(readlinkSync(path.join(pulled.dir, name))).toBe(`${up}blobs/${hash}`);
  }
  expect(readFileSync(path.join(model, 'refs/main'), 'utf8')).toBe(COMMIT);
  expect(findSnapshot(ID, undefined, hub.env)?.dir).toBe(pulled.dir);
  expect(listCachedModels(hub.env)).toMatchObject([{ id: ID, refs: ['main'], bytes: pulled.bytes }]);

  const asked = hub.requests.length;
  const again = await pull();
  expect(again.downloaded).toBe(0);
  expect(hub.requests.slice(asked).every(({ url }) => url.startsWith('/api/'))).toBe(true);
});

it('a variant is taken where a part has it, and the plain weights where it has not', async () => {
  const { files } = await pull({ variant: 'fp16' });
  expect(files.filter((name) => name.endsWith('.safetensors'))).toEqual([
    'text_encoder/model.fp16.safetensors',
    'unet/diffusion_pytorch_model.fp16.safetensors',
    'vae/diffusion_pytorch_model.safetensors',
  ]);
  const { message } = await failure(pull({ variant: 'bf16' }));
  expect(message).toBe(`hub: ${ID} has no variant bf16; it has fp16, the plain one, non_ema`);
});

it('progress counts the bytes of all files up to their sum', async () => {
  const seen: PullProgress[] = [];
  const { bytes, files } = await pull({ onProgress: (progress) => seen.push(progress) });
  expect(seen.at(-1)).toMatchObject({ bytes, totalBytes: bytes, filesDone: files.length, state: 'done' });
  expect(seen.every((progress) => progress.fileBytes <= progress.fileSize)).toBe(true);
});

it('a cut connection is taken up where it broke', async () => {
  hub.fault = (name, attempt) => (name === UNET && attempt < 3 ? { cutAfter: 60_000 } : undefined);
  const { dir } = await pull();
  expect(readFileSync(path.join(dir, UNET)).equals(content(UNET) as Buffer)).toBe(true);
  const ranges = storageRequests().flatMap(({ url, range }) => (url.endsWith(UNET) ? [range] : []));
  expect(ranges[0]).toBeUndefined();
  expect(ranges.length).toBeGreaterThan(1);
  const starts = ranges.slice(1).map((range) => Number(required(/^bytes=(\d+)-$/.exec(range ?? ''))[1]));
  expect(starts).toEqual([...starts].sort((a, b) => a - b));
  expect(starts[0]).toBeGreaterThan(0);
});

it('a pull that gave up is taken up by the next one, and says so', async () => {
  hub.fault = (name, attempt) =>
    name === UNET ? (attempt === 0 ? { cutAfter: 120_000 } : { status: 503 }) : undefined;
  const { message } = await failure(pull());
  const [, here] =
    /(\d+) of 200000 bytes of .*unet.* are here and kept.*run the same command again/.exec(message) ?? [];
  expect(Number(here)).toBeGreaterThan(0);
  expect(findSnapshot(ID, undefined, hub.env)).toBeUndefined(); // only whole models are found

  hub.fault = () => undefined;
  const asked = hub.requests.length;
  const { dir, downloaded, bytes } = await pull();
  const request = hub.requests.slice(asked).find(({ url, storage }) => storage && url.endsWith(UNET));
  expect(request?.range).toBe(`bytes=${here}-`);
  expect(downloaded).toBeLessThan(bytes - Number(here) + 1);
  expect(readFileSync(path.join(dir, UNET)).equals(content(UNET) as Buffer)).toBe(true);
  expect(blobs().filter((name) => name.endsWith('incomplete'))).toEqual([]);
});

it.each([
  ['ignores ranges', { ignoreRange: true }],
  ['finds a range wrong', { status: 416 }],
])('a server that %s sends the whole file again', async (_, second) => {
  hub.fault = (name, attempt) => {
    if (name !== UNET) return undefined;
    return attempt === 0 ? { cutAfter: 60_000 } : attempt === 1 ? second : undefined;
  };
  const { dir } = await pull();
  expect(readFileSync(path.join(dir, UNET)).equals(content(UNET) as Buffer)).toBe(true);
});

it('a connection that stands still counts as cut', async () => {
  hub.fault = (name, attempt) => (name === UNET && attempt === 0 ? { stallAfter: 60_000 } : undefined);
  const { dir } = await pull({ network: { retries: 1, retryDelay: 1, stall: 200 } });
  expect(readFileSync(path.join(dir, UNET)).equals(content(UNET) as Buffer)).toBe(true);
});

it('bytes that differ from the announced hash are thrown away', async () => {
  const wrong = Buffer.alloc(200_000, 'unet66');
  hub.fault = (name) => (name === UNET ? { content: wrong } : undefined);
  const { message } = await failure(pull());
  expect(message).toContain(`hub: ${ID}: ${UNET} arrived with the hash ${sha256(wrong)}`);
  expect(message).toContain(`announced ${sha256(content(UNET))}; nothing of it was kept`);
  expect(blobs().filter((name) => name.startsWith(sha256(content(UNET))))).toEqual([]);
});

it('a small file is checked by the hash of git', async () => {
  hub.fault = (name) => (name === 'unet/config.json' ? { content: Buffer.from('{"x":1}') } : undefined);
  expect((await failure(pull())).message).toContain('unet/config.json arrived with the hash');
});

it('a file of another length is refused before it is read', async () => {
  hub.fault = (name) => (name === UNET ? { content: Buffer.from('<html>please log in</html>') } : undefined);
  expect((await failure(pull())).message).toMatch(/should have 200000 bytes, the server has 26/);
});

it('a broken beginning from an earlier attempt is given up for a fresh download', async () => {
  const target = path.join(hub.cache, 'models--somebody--diffusion-v1-4/blobs', sha256(content(UNET)));
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(`${target}.sgool-incomplete`, Buffer.alloc(50_000, 'rubbish'));
  const { dir } = await pull();
  expect(readFileSync(path.join(dir, UNET)).equals(content(UNET) as Buffer)).toBe(true);
});

it('a beginning that is longer than the file counts for nothing', async () => {
  const target = path.join(hub.cache, 'models--somebody--diffusion-v1-4/blobs', sha256(content(UNET)));
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(`${target}.sgool-incomplete`, Buffer.alloc(300_000, 'rubbish'));
  const { dir, downloaded, bytes } = await pull();
  expect(downloaded).toBe(bytes - (content('model_index.json') as string).length);
  expect(readFileSync(path.join(dir, UNET)).equals(content(UNET) as Buffer)).toBe(true);
});

it('a blob of the wrong size is fetched again', async () => {
  const { dir } = await pull();
  await appendFile(path.join(dir, UNET), 'x');
  expect((await pull()).downloaded).toBe(200_000);
  expect(readFileSync(path.join(dir, UNET)).equals(content(UNET) as Buffer)).toBe(true);
});

it('pulls at the same time fetch each file once', async () => {
  const pulls = await Promise.all([pull(), pull(), pull()]);
  expect(new Set(pulls.map(({ dir }) => dir)).size).toBe(1);
  expect(storageRequests().filter(({ url }) => url.endsWith(UNET))).toHaveLength(1);
  expect(readFileSync(path.join(pulls[0].dir, UNET)).equals(content(UNET) as Buffer)).toBe(true);
  expect(readdirSync(path.join(hub.cache, '.locks/models--somebody--diffusion-v1-4'))).toEqual([]);
});

it('a lock that a dead process left behind does not stop anyone', async () => {
  const locks = path.join(hub.cache, '.locks/models--somebody--diffusion-v1-4');
  await mkdir(locks, { recursive: true });
  const dead = markText({ ...ownMark, pid: 999_999_999 });
  await writeFile(path.join(locks, `${sha256(content(UNET))}.sgool`), `${dead} 0`);
  expect((await pull()).dir).toContain(COMMIT);
});

it('a lock that a dead process left behind a whole file is taken away, and that of a living one stays', async () => {
  const { dir } = await pull();
  const locks = path.join(hub.cache, '.locks/models--somebody--diffusion-v1-4');
  const [mine, other] = [sha256(content(UNET)), gitHash(content('unet/config.json'))];
  await mkdir(locks, { recursive: true });
  await writeFile(path.join(locks, `${mine}.sgool`), `${markText({ ...ownMark, pid: 999_999_999 })} x`);
  await writeFile(path.join(locks, `${other}.sgool`), `${markText(ownMark)} x`);
  expect((await pull()).dir).toBe(dir);
  expect(readdirSync(locks)).toEqual([`${other}.sgool`]);
});

it('an abort ends a pull; what has arrived stays', async () => {
  const controller = new AbortController();
  hub.fault = (name) => (name === UNET ? { stallAfter: 60_000 } : undefined);
  const onProgress = ({ file, fileBytes }: PullProgress) => {
    if (file === UNET && fileBytes > 0) controller.abort(new Error('stopped'));
  };
  const error = await failure(pull({ signal: controller.signal, onProgress }));
  expect(error).toBe(controller.signal.reason);
  expect(blobs()).toContain(`${sha256(content(UNET))}.sgool-incomplete`);
});

it('a download that others take over again and again is given up, and says how often', async () => {
  const target = path.join(hub.cache, 'models--somebody--diffusion-v1-4/blobs', sha256(content(UNET)));
  const onProgress = ({ file, fileBytes, state }: PullProgress) => {
    if (file === UNET && state === 'downloading' && fileBytes === 200_000) {
      rmSync(`${target}.sgool-incomplete`, { force: true });
    }
  };
  expect((await failure(pull({ onProgress }))).message).toBe(
    `hub: other processes have taken over the download of ${UNET} 4 times, because this one stood still; run the same command again`,
  );
  expect(storageRequests().filter(({ url }) => url.endsWith(UNET))).toHaveLength(4);
});

it('the token goes to the Hub and nowhere else', async () => {
  hub.models[ID] = fakePipeline({ token: 'own-token' });
  await pull({ env: { ...hub.env, HF_TOKEN: 'own-token' } });
  const [atHub, atStorage] = [false, true].map((where) =>
    hub.requests.filter(({ storage }) => storage === where),
  );
  expect(new Set(atHub.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer own-token']));
  expect(new Set(atStorage.map(({ authorization }) => authorization))).toEqual(new Set([undefined]));
});

it.each<[string, (hub: FakeHub) => Promise<unknown>, RegExp]>([
  ['no token', () => pull(), /is not public \(401\); check the name, and set HF_TOKEN if it is private$/],
  [
    'a wrong token',
    () => pull({ env: { ...hub.env, HF_TOKEN: 'hf_no' } }),
    /the token in use is not accepted/,
  ],
  [
    'a gated model',
    () => pull({}, 'some/gated'),
    /some\/gated: access is limited to approved users .*accept the terms/,
  ],
  [
    'an unknown revision',
    () => pull({ revision: 'v9' }, 'some/open'),
    /some\/open has no revision v9 \(404\)/,
  ],
  [
    'an unknown name',
    () => pull({ env: { ...hub.env, HF_TOKEN: 'hf_x' } }, 'some/thing'),
    /has no model some\/thing, .*\(404\); check the spelling$/,
  ],
  ['no name', () => pull({}, 'diffusion'), /not the name of a model, got diffusion; write org\/name/],
  ['a way out', () => pull({}, 'some/open@../../x'), /not the name of a model/],
  ['no weights', () => pull({}, 'some/empty'), /some\/empty has no weights/],
  ['a path out', () => pull({}, 'some/evil'), /has a file with an unsafe name, got "..\/..\/evil.json"/],
  [
    'no server',
    async () => pull({ env: { ...hub.env, HF_ENDPOINT: await closedAddress() } }),
    /cannot reach http.*ECONNREFUSED; check/,
  ],
  [
    'no address',
    () => pull({ env: { ...hub.env, HF_ENDPOINT: 'mirror' } }),
    /HF_ENDPOINT: not usable, got mirror/,
  ],
  [
    'offline',
    () => pull({ env: { ...hub.env, HF_HUB_OFFLINE: '1' } }),
    /is not in the cache .*HF_HUB_OFFLINE forbids/,
  ],
])('%s is reported in one line', async (_, run, words) => {
  hub.models[ID] = fakePipeline({ token: 'hf_right' });
  hub.models['some/gated'] = fakePipeline({ gated: true });
  hub.models['some/open'] = fakePipeline();
  hub.models['some/empty'] = { commit: COMMIT, files: { 'README.md': 'nothing yet' } };
  hub.models['some/evil'] = { commit: COMMIT, files: { '../../evil.json': '{}', 'model.safetensors': 'x' } };
  const error = await failure(run(hub));
  expect(error.message).toMatch(words);
  expect(error).toBeInstanceOf(UserError);
  expect(error.message).not.toContain('\n');
});

it('a model that is one file is found as that file', async () => {
  hub.models['some/file'] = { commit: COMMIT, files: { 'README.md': '', 'sd.ckpt': 'abc', 'v1.yaml': '' } };
  const { dir } = await pull({}, 'some/file');
  expect(resolveModel('some/file', hub.env).dir).toBe(path.join(dir, 'sd.ckpt'));
  await pull();
  expect(resolveModel(ID, hub.env)).toEqual({
    name: ID,
    dir: required(findSnapshot(ID, 'main', hub.env)).dir,
  });
  expect(() => resolveModel('some/other@v2', hub.env)).toThrow(
    /some\/other@v2 is neither a folder nor in the cache .*; fetch it with: sgool models pull some\/other@v2$/,
  );
});

it('offline, a pull gives what is there and asks nobody', async () => {
  const { dir } = await pull();
  const asked = hub.requests.length;
  expect(await pull({ env: { ...hub.env, HF_HUB_OFFLINE: 'yes' } })).toMatchObject({ dir, offline: true });
  expect(hub.requests).toHaveLength(asked);
});

it('a commit or tag can be pulled beside main, and files that are the same are shared', async () => {
  await pull();
  const old = 'd'.repeat(40);
  hub.models[ID] = fakePipeline({ commit: old, refs: ['v1'] });
  expect((await pull({ revision: 'v1' })).downloaded).toBe(0);
  expect((await pull({}, `${ID}@${old}`)).commit).toBe(old);
  expect(findSnapshot(ID, 'v1', hub.env)?.commit).toBe(old);
  expect(findSnapshot(ID, undefined, hub.env)?.commit).toBe(COMMIT);
  expect(existsSync(path.join(hub.cache, 'models--somebody--diffusion-v1-4/refs', old))).toBe(false);
  expect(
    createHash('sha256')
      .update(readFileSync(path.join(required(findSnapshot(ID, old, hub.env)).dir, UNET)))
      .digest('hex'),
  ).toBe(sha256(content(UNET)));
});
