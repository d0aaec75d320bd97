/** @file A Hub that is broken or means harm costs a bounded time and memory, and writes nothing outside of the cache: its files. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import {
  answer,
  COMMIT,
  CONTENT,
  endless,
  failure,
  hub,
  ID,
  IMPATIENT,
  json,
  LIST,
  openHub,
  pull,
  UNET,
} from './testing/hostile-hub.ts';
import { fakePipeline, gitHash, sha256 } from './testing.ts';

beforeEach(openHub);
afterEach(() => hub.close());

describe('the content of a file', () => {
  const unet = () => Buffer.from(hub.models[ID].files[UNET]);
  const atStorage = new RegExp(`${UNET}$`);

  it.each([1, 1999])('%i bytes for each connection are less than a hundredth, and end', async (count) => {
    const seen = answer(
      atStorage,
      (request, response) => {
        const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
        response.writeHead(from > 0 ? 206 : 200, {
          'content-length': unet().length - from,
          ...(from > 0 ? { 'content-range': `bytes ${from}-${unet().length - 1}/${unet().length}` } : {}),
        });
        response.write(unet().subarray(from, from + count), () => setTimeout(() => response.destroy(), 5));
      },
      true,
    );
    expect(await failure()).toMatch(
      /of 200000 bytes of .*unet.* are here and kept, run the same command again/,
    );
    expect(seen.count).toBe(3);
  });

  it('that drips is cut, and what came is kept', async () => {
    const seen = answer(
      atStorage,
      (_, response) => {
        response.writeHead(200, { 'content-length': unet().length });
        endless(response, 'u', 5);
      },
      true,
    );
    expect(await failure(IMPATIENT)).toMatch(
      /less than 1000 bytes a second for 0\.15 s; \d+ of 200000 bytes of .* are here and kept/,
    );
    expect(seen.count).toBe(3);
  });

  it('that is fast enough for the moment but not as a whole is given up', async () => {
    answer(
      atStorage,
      (_, response) => {
        response.writeHead(200, { 'content-length': unet().length });
        endless(response, 'u'.repeat(20), 5);
      },
      true,
    );
    expect(await failure({ fileTime: 700, lowestAverage: 1e9 })).toMatch(
      /sends too slowly, 0 minutes are over; \d+ of 200000 bytes of .* are here and kept/,
    );
  });

  it.each<[string, (from: number, response: ServerResponse) => unknown, RegExp]>([
    [
      'a length that is too small',
      (_, response) => response.writeHead(200, { 'content-length': 5 }).end('unet3'),
      /should have 200000 bytes, the server has 5;/,
    ],
    [
      'no length and too few bytes',
      (_, response) => response.writeHead(200).end('unet32'),
      /closed too early; 6 of 200000 bytes/,
    ],
    [
      'no length and too many bytes',
      (_, response) => response.writeHead(200).end(Buffer.alloc(300_000, 'unet32')),
      /is longer than the 200000 bytes that the Hub announced/,
    ],
    [
      'a part that nobody asked for',
      (_, response) => response.writeHead(206, { 'content-range': 'bytes 0-9/200000' }).end('unet32unet'),
      /was asked for as a whole, the server sends a part \(206\)/,
    ],
    [
      'a part without a range',
      (_, response) => response.writeHead(206).end('unet32unet'),
      /was asked for as a whole, the server sends a part \(206\)/,
    ],
    [
      'no range where none was asked for',
      (_, response) => response.writeHead(416).end(),
      /answers 416 for unet/,
    ],
    [
      'compression that nobody asked for',
      (_, response) =>
        response
          .writeHead(200, { 'content-encoding': 'gzip' })
          .end(gzipSync(Buffer.alloc(200_000, 'unet32'))),
      /comes compressed \(gzip\), which was not asked for/,
    ],
    [
      'a page',
      (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      /closed too early/,
    ],
    [
      'a status without content',
      (_, response) => response.writeHead(204).end(),
      /the server sends a part \(204\)/,
    ],
  ])('with %s is refused', async (_, respond, words) => {
    answer(
      atStorage,
      (request, response) => respond(Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0), response),
      true,
    );
    expect(await failure()).toMatch(words);
    const blobs = path.join(hub.cache, 'models--somebody--model/blobs');
    expect(readdirSync(blobs)).not.toContain(sha256(unet()));
  });

  it.each<[string, (from: number) => [number, Record<string, string>, number]]>([
    [
      'the range of another part',
      (from) => [206, { 'content-range': `bytes ${from + 1}-199999/200000` }, from + 1],
    ],
    ['no range at all', (from) => [206, {}, from]],
    ['a whole file', () => [200, {}, 0]],
    [
      'a version that is another one',
      (from) => [206, { etag: '"v2"', 'content-range': `bytes ${from}-199999/200000` }, from],
    ],
  ])('a resumed download begins anew where the server sends %s', async (_, respond) => {
    const seen = answer(
      atStorage,
      (request, response) => {
        const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
        if (seen.count === 1) {
          response.writeHead(200, { 'content-length': 200_000, etag: '"v1"' });
          // Bytes of another version: only a fresh start can mend that.
          return response.write(Buffer.alloc(60_000, 'other version'), () =>
            setTimeout(() => response.destroy(), 5),
          );
        }
        const [status, headers, start] = from > 0 ? respond(from) : [200, {}, 0];
        return response
          .writeHead(status as number, headers as Record<string, string>)
          .end(unet().subarray(start as number));
      },
      true,
    );
    const { dir } = await pull();
    expect(sha256(readFileSync(path.join(dir, UNET)))).toBe(sha256(unet()));
  });

  it.each([
    ['of the same version', '"v1"', 60_000],
    ['that says nothing of its version', undefined, 60_000],
    ['behind the first byte', '"v1"', 1],
  ])('a resumed download goes on with a part %s', async (_, etag, first) => {
    const asked: (string | undefined)[] = [];
    answer(
      atStorage,
      (request, response) => {
        const { range } = request.headers;
        asked.push(range);
        if (asked.length > 2) return response.writeHead(200, { 'content-length': 200_000 }).end(unet());
        if (range === undefined) {
          response.writeHead(200, { 'content-length': 200_000, etag: '"v1"' });
          return response.write(unet().subarray(0, first), () => setTimeout(() => response.destroy(), 5));
        }
        const from = Number(/\d+/.exec(range)?.[0]);
        const headers = { 'content-range': `bytes ${from}-199999/200000`, ...(etag && { etag }) };
        return response.writeHead(206, headers).end(unet().subarray(from));
      },
      true,
    );
    const { dir } = await pull();
    expect(sha256(readFileSync(path.join(dir, UNET)))).toBe(sha256(unet()));
    expect(asked).toEqual([undefined, `bytes=${first}-`]);
  });

  it.each([1, 60_000])(
    'a server that has nothing behind %i bytes is asked for the whole file',
    async (first) => {
      const asked: (string | undefined)[] = [];
      answer(
        atStorage,
        (request, response) => {
          asked.push(request.headers.range);
          if (asked.length === 2) return response.writeHead(416).end();
          response.writeHead(200, { 'content-length': 200_000 });
          if (asked.length === 3) return response.end(unet());
          return response.write(unet().subarray(0, first), () => setTimeout(() => response.destroy(), 5));
        },
        true,
      );
      const { dir } = await pull();
      expect(sha256(readFileSync(path.join(dir, UNET)))).toBe(sha256(unet()));
      expect(asked).toEqual([undefined, `bytes=${first}-`, undefined]);
    },
  );

  it('pieces of two versions are found out by the hash, and the file is fetched as a whole', async () => {
    const seen = answer(
      atStorage,
      (request, response) => {
        const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
        if (seen.count === 1) {
          response.writeHead(200, { 'content-length': 200_000 });
          return response.write(Buffer.alloc(60_000, 'other version'), () =>
            setTimeout(() => response.destroy(), 5),
          );
        }
        const range = { 'content-range': `bytes ${from}-199999/200000` };
        return response.writeHead(from > 0 ? 206 : 200, from > 0 ? range : {}).end(unet().subarray(from));
      },
      true,
    );
    const { dir } = await pull();
    expect(sha256(readFileSync(path.join(dir, UNET)))).toBe(sha256(unet()));
    expect(seen.count).toBe(3);
  });

  it.each([
    [
      'x-repo-commit',
      'd'.repeat(40),
      /changed while it was pulled: the list gives the commit c+, the file has d+;/,
    ],
    [
      'x-linked-size',
      '200001',
      /changed while it was pulled: the list gives the size 200000, the file has 200001/,
    ],
    [
      'x-linked-etag',
      `"${'e'.repeat(64)}"`,
      /changed while it was pulled: the list gives the hash [0-9a-f]+, the file has e+/,
    ],
    ['etag', `W/"${'e'.repeat(64)}"`, /changed while it was pulled: the list gives the hash/],
  ])('is refused where the Hub announces another one: %s', async (name, value, words) => {
    answer(new RegExp(`/resolve/.*${UNET}$`), (_, response) =>
      response.writeHead(302, { location: `${hub.storage}/x`, [name]: value }).end(),
    );
    expect(await failure()).toMatch(words);
    expect(hub.requests.some(({ storage, url }) => storage && url === '/x')).toBe(false);
  });

  it('is taken from the storage whatever that says of itself', async () => {
    hub.intercept = (_, response, isStorage) => {
      if (isStorage) response.setHeader('x-repo-commit', 'e'.repeat(40)).setHeader('x-linked-size', 7);
      return false;
    };
    expect((await pull()).files).toContain(UNET);
  });

  it('a model_index.json of many megabytes is not fetched', async () => {
    hub.models[ID] = fakePipeline({ files: { 'model_index.json': ' '.repeat(2000) } });
    expect(await failure({ answerBytes: 1000 })).toMatch(
      /model_index\.json has 0\.0 MB, which is no list of parts/,
    );
    expect(hub.requests.some(({ url }) => CONTENT.test(url))).toBe(false);
    expect(await failure({ answerBytes: 1999 })).toMatch(/model_index\.json has/);
    // It is no JSON.
    expect(await failure({ answerBytes: 2000 })).not.toMatch(/model_index\.json has/);
    expect(hub.requests.some(({ url }) => CONTENT.test(url))).toBe(true);
  });
});

describe('the name of a file', () => {
  const listing = (name: string) => {
    hub.models[ID] = { commit: COMMIT, files: { 'sd.ckpt': 'abc' } };
    answer(LIST, (_, response) =>
      json(response, [
        { type: 'file', path: name, size: 2, oid: gitHash('{}') },
        { type: 'file', path: 'sd.ckpt', size: 3, oid: 'a'.repeat(40), lfs: { oid: sha256('abc'), size: 3 } },
      ]),
    );
  };

  it.each([
    '../evil.json',
    'a/../../evil.json',
    '/etc/evil.json',
    '//server/evil.json',
    'a//evil.json',
    './evil.json',
    'evil.json/.',
    '',
    'C:/evil.json',
    'C:evil.json',
    '\\\\server\\evil.json',
    '..\\evil.json',
    'evil.json\0.png',
  ])('%j, which leads out of the folder, is refused on every system', async (name) => {
    listing(name);
    expect(await failure()).toMatch(
      /^hub: somebody\/model has a file with an unsafe name, got ".*": it leads out of the folder$/,
    );
    expect(existsSync(hub.cache) ? readdirSync(hub.cache) : []).toEqual([]);
  });

  const FILES = { 'sd.ckpt': 'abc' };
  it.each([
    ['con.json', 'Windows keeps the name for a device'],
    ['NUL.json', 'Windows keeps the name for a device'],
    ['aux.tar.json', 'Windows keeps the name for a device'],
    ['COM1.json', 'Windows keeps the name for a device'],
    ['lpt¹.json', 'Windows keeps the name for a device'],
    ['a.json ', 'it ends in a dot or a space'],
    ['a.json.', 'it ends in a dot or a space'],
    ['a?.json', 'it holds characters that are not allowed in file names'],
    ['a\n.json', 'it holds characters that are not allowed in file names'],
    ['a\u001b[31m.json', 'it holds characters that are not allowed in file names'],
    [`${'x'.repeat(260)}.json`, 'it is too long'],
    [`${'x/'.repeat(600)}a.json`, 'it is too long'],
    ['SD.ckpt', 'on some systems it is the same file as sd.ckpt'],
    ['sd.ckpt/a.json', 'it is in a folder that is a file as well'],
  ])('%j is refused where it is wanted, and nothing in the way where it is not', async (name, problem) => {
    hub.models[ID] = { commit: COMMIT, files: { ...FILES, [name]: '{}' } };
    await pull({}, { files: ['sd.ckpt'] }).catch((error: Error) => expect(error.message).toContain(problem));
    const { message } = await pull({}, { files: ['sd.ckpt', name] }).then(
      () => expect.unreachable('it should have failed'),
      (error: Error) => error,
    );
    const whole = `hub: somebody/model has a file with an unsafe name, got ${JSON.stringify(name)}: ${problem}`;
    expect(message).toBe(new UserError(whole).message);
    expect(message.endsWith(problem)).toBe(true);
  });

  it.each(['conny.json', 'auxiliary.json', 'com10.json', 'a..b.json', 'ä.json'])(
    '%j is allowed',
    async (name) => {
      hub.models[ID] = { commit: COMMIT, files: { ...FILES, [name]: '{}' } };
      expect((await pull({}, { files: ['sd.ckpt', name] })).files).toContain(name);
    },
  );
});
