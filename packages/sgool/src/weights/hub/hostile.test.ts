/** @file A Hub that is broken or means harm costs a bounded time and memory, gets no token, and writes nothing outside of the cache. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import type { HubLimits } from './limits.ts';
import { type PullOptions, pullModel } from './pull.ts';
import { type FakeHub, fakePipeline, gitHash, listen, sha256, startHub } from './testing.ts';

const ID = 'somebody/model';
const COMMIT = 'c'.repeat(40);
const UNET = 'unet/diffusion_pytorch_model.safetensors';
const TOKEN = 'hf_secret';

let hub: FakeHub;
beforeEach(async () => {
  hub = await startHub({ [ID]: fakePipeline() });
});
afterEach(() => hub.close());

const LIMITS: Partial<HubLimits> = {
  retries: 2,
  retryDelay: 1,
  longestWait: 50,
  // Longer than a busy machine needs for anything here.
  stall: 30_000,
  lowestSpeed: 1000,
};
/** For what is slower than the lowest speed. */
const IMPATIENT = { stall: 150 };
const pull = (network: Partial<HubLimits> = {}, options: PullOptions = {}) =>
  pullModel(ID, { env: { ...hub.env, HF_TOKEN: TOKEN }, network: { ...LIMITS, ...network }, ...options });

/** The one line with which a pull fails, and the seconds until then. */
async function failure(network: Partial<HubLimits> = {}): Promise<string> {
  const error: unknown = await pull(network).then(
    () => expect.unreachable('it should have failed'),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  const { message } = error as Error;
  expect(message).not.toMatch(/\n|hf_secret/);
  return message;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;
/** Answers the requests whose path matches; counts them. */
function answer(where: RegExp, handle: Handler, isStorage = false): { count: number } {
  const seen = { count: 0 };
  hub.intercept = (request, response, atStorage) => {
    if (atStorage !== isStorage || !where.test(decodeURIComponent(request.url ?? ''))) return false;
    seen.count++;
    handle(request, response);
    return true;
  };
  return seen;
}

const LIST = /\/api\/models\/.*\/tree\//;
const QUESTION = /\/api\/models\/.*\/revision\//;
const CONTENT = /\/resolve\//;
const json = (response: ServerResponse, value: unknown, headers: Record<string, string> = {}) =>
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));

/** Sends pieces until the other side has had enough. */
function endless(response: ServerResponse, piece: Uint8Array | string, pause = 0) {
  let sent = 0;
  const more = (): void => {
    if (response.destroyed) return;
    sent += piece.length;
    const next = () => (pause > 0 ? setTimeout(more, pause) : setImmediate(more));
    if (response.write(piece)) next();
    else response.once('drain', next);
  };
  more();
  return () => sent;
}

describe('an answer', () => {
  it.each([
    ['a commit', QUESTION],
    ['a list', LIST],
  ])('without end ends at the limit of its size: %s', async (_, where) => {
    let sent = () => 0;
    const seen = answer(where, (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      sent = endless(response, `[${' '.repeat(65536)}`);
    });
    expect(await failure({ answerBytes: 1e6 })).toMatch(/answers with more than 1 MB for somebody\/model/);
    expect(seen.count).toBe(1);
    expect(sent()).toBeLessThan(30e6);
  });

  it('that unpacks to much more than it is ends at the same limit', async () => {
    const bomb = gzipSync(Buffer.alloc(50e6, ' '));
    const seen = answer(LIST, (_, response) =>
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(bomb),
    );
    const before = process.memoryUsage().rss;
    expect(await failure({ answerBytes: 1e6 })).toMatch(/answers with more than 1 MB/);
    expect(seen.count).toBe(1);
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
  });

  it('that is slower than the lowest speed counts as cut', async () => {
    const seen = answer(LIST, (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      endless(response, ' ', 5);
    });
    expect(await failure(IMPATIENT)).toMatch(/less than 1000 bytes a second for 0\.15 s; try again later$/);
    expect(seen.count).toBe(3);
  });

  it('that never begins counts as cut', async () => {
    const seen = answer(QUESTION, () => undefined);
    expect(await failure(IMPATIENT)).toMatch(/less than 1000 bytes a second for 0\.15 s; try again later$/);
    expect(seen.count).toBe(3);
  });

  it('that comes fast enough but never ends is given up after the whole time', async () => {
    answer(LIST, (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      endless(response, ' '.repeat(100), 5);
    });
    expect(await failure({ questionTime: 500 })).toMatch(/gives no answer within 0\.5 s$/);
  });

  it.each<[string, Handler, RegExp]>([
    [
      'a page',
      (_, response) =>
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>log in'),
      /answers with a page \(text\/html\) in place of JSON; check HF_ENDPOINT/,
    ],
    [
      'half a value',
      (_, response) => response.end('[{"type":'),
      /something else \(no type\) in place of JSON/,
    ],
    ['nothing', (_, response) => response.writeHead(204).end(), /in place of JSON/],
    [
      'an object',
      (_, response) => json(response, { error: 'x' }),
      /does not list the files of somebody\/model, got \{"error":"x"\}/,
    ],
    [
      'null',
      (_, response) => json(response, [null, 3, { type: 'file' }]),
      /a file without a name, got \{"type":"file"\}/,
    ],
    [
      'a size that is none',
      (_, response) => json(response, [{ type: 'file', path: 'a', oid: 'a'.repeat(40), size: 1e300 }]),
      /gives no size for a, got 1e\+300/,
    ],
    [
      'a hash that is a path',
      (_, response) => json(response, [{ type: 'file', path: 'a', oid: '../../../x', size: 1 }]),
      /gives no hash for a, got "\.\.\/\.\.\/\.\.\/x"/,
    ],
    [
      'broken compression',
      (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip at all'),
      /does not answer as a Hub does: Z_DATA_ERROR/,
    ],
  ])('that is %s in place of a list is refused and not asked for again', async (_, handle, words) => {
    const seen = answer(LIST, handle);
    expect(await failure()).toMatch(words);
    expect(seen.count).toBe(1);
  });

  it.each([
    [{ sha: '../../x' }, /does not give the commit .*got "\.\.\/\.\.\/x"/],
    [null, /does not give the commit .*got undefined/],
  ])('%j is no commit', async (value, words) => {
    answer(QUESTION, (_, response) => json(response, value));
    expect(await failure()).toMatch(words);
  });

  it('in another language than HTTP is refused at once', async () => {
    const { createServer } = await import('node:net');
    let connections = 0;
    const server = createServer((socket) => {
      connections++;
      socket.on('error', () => undefined).resume();
      socket.end('220 mail.example.org ESMTP\r\n', () => socket.destroySoon());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const env = { ...hub.env, HF_ENDPOINT: `http://127.0.0.1:${port}` };
    await expect(pull({}, { env })).rejects.toThrow(/does not answer as a Hub does: (HPE_|HTTPParserError)/);
    expect(connections).toBe(1);
    await new Promise((resolve) => server.close(resolve));
  });

  it.each([400, 402, 405, 406, 409, 410, 411, 412, 413, 414, 416, 418, 451, 501, 505, 511])(
    '%i will not go away and is not asked for again',
    async (status) => {
      const seen = answer(QUESTION, (_, response) => response.writeHead(status).end());
      expect(await failure()).toContain(String(status));
      expect(seen.count).toBe(1);
    },
  );

  it.each([408, 425, 429, 500, 502, 503, 504])(
    '%i may go away: it is asked for again, not for ever',
    async (status) => {
      const seen = answer(QUESTION, (_, response) => response.writeHead(status).end());
      expect(await failure()).toMatch(new RegExp(`answers ${status} for somebody/model; try again later`));
      expect(seen.count).toBe(3);
    },
  );

  it.each([
    ['seconds', () => '0', 3],
    ['a date that is over', () => new Date(0).toUTCString(), 3],
    ['no time at all', () => 'soon', 3],
    ['seconds beyond the limit', () => '3600', 1],
    ['a date beyond the limit', () => new Date(Date.now() + 3_600_000).toUTCString(), 1],
  ])('that asks to wait is asked again within reason: %s', async (_, value, count) => {
    const seen = answer(QUESTION, (_request, response) =>
      response.writeHead(503, { 'retry-after': value() }).end(),
    );
    const message = await failure();
    if (count === 1)
      expect(message).toMatch(/answers 503 for .* and asks to wait (3600|3599) s; try again later/);
    expect(seen.count).toBe(count);
  });

  it('that asks to wait a moment is asked again after that moment', async () => {
    const times: number[] = [];
    answer(QUESTION, (_, response) => {
      times.push(performance.now());
      response.writeHead(429, { 'retry-after': '1' }).end();
    });
    await failure({ retries: 1, longestWait: 2000 });
    expect(times[1] - times[0]).toBeGreaterThan(950);
  });
});

describe('a list', () => {
  it.each([
    ['at itself', (url: string) => url],
    ['at a page that is always new', (_: string, n: number) => `?cursor=${n}`],
  ])('that goes on without end ends: %s', async (_, next) => {
    const seen = answer(LIST, (request, response) =>
      json(response, [], {
        link: `<${next(new URL(request.url ?? '', hub.endpoint).href, seen.count)}>; rel="next"`,
      }),
    );
    expect(await failure({ pages: 20 })).toMatch(/lists the files of somebody\/model without end/);
    expect(seen.count).toBeLessThanOrEqual(20);
  });

  it.each(['file:///etc/passwd', 'ftp://example.org/x', 'data:application/json,[]', 'http://'])(
    'that goes on at %s is refused',
    async (link) => {
      const seen = answer(LIST, (_, response) => json(response, [], { link: `<${link}>; rel="next"` }));
      expect(await failure()).toMatch(
        /the list of files of somebody\/model goes on at ".*", which is not followed/,
      );
      expect(seen.count).toBe(1);
    },
  );
});

describe('a redirect', () => {
  const to =
    (location: string, status = 302): Handler =>
    (_, response) =>
      response.writeHead(status, location === '' ? {} : { location }).end();

  it.each([
    ['file:///etc/passwd', /redirects from http: to file:\/etc\/passwd, which is not followed/],
    ['ftp://example.org/x', /redirects from http: to ftp:\/\/example\.org\/x, which is not followed/],
    ['data:text/plain,x', /redirects from http: to data:text\/plain,x/],
    ['http://name:password@127.0.0.1/', /redirects to an address with a password, which is not followed$/],
    ['http://', /answers 302 without an address to go to/],
    ['', /answers 302 without an address to go to/],
  ])('to %j is refused and not tried again', async (location, words) => {
    const seen = answer(QUESTION, to(location));
    expect(await failure()).toMatch(words);
    expect(seen.count).toBe(1);
  });

  it.each([301, 302, 303, 307, 308])('in a circle is refused and not tried again (%i)', async (status) => {
    const seen = answer(/.*/, (request, response) =>
      to(request.url === '/b' ? '/a' : request.url === '/a' ? '/b' : '/a', status)(request, response),
    );
    expect(await failure()).toMatch(/redirects in a circle, at http:.*\/a$/);
    expect(seen.count).toBe(3);
  });

  it('to ever new addresses ends', async () => {
    const seen = answer(/.*/, (request, response) => to(`/n/${seen.count}?secret=1`)(request, response));
    expect(await failure({ redirects: 4 })).toMatch(/redirects more than 4 times, last to http:[^?]*\/n\/5$/);
    expect(seen.count).toBe(5);
  });

  it('from https to http is refused', async () => {
    const { send } = await import('./request.ts');
    const { HUB_LIMITS } = await import('./limits.ts');
    const real = globalThis.fetch;
    globalThis.fetch = async () =>
      new Response(null, { status: 302, headers: { location: 'http://hub.test/x' } });
    try {
      const request = {
        url: 'https://hub.test/x',
        what: { id: ID, revision: 'main' },
        signal: AbortSignal.timeout(1000),
      };
      await expect(send(request, { endpoint: 'https://hub.test', limits: HUB_LIMITS })).rejects.toThrow(
        'redirects from https: to http://hub.test/x, which is not followed',
      );
    } finally {
      globalThis.fetch = real;
    }
  });
});

describe('the token', () => {
  /** Requests to a server that is not the Hub, with what they brought along. */
  async function elsewhere() {
    const seen: (string | undefined)[] = [];
    const server = await listen((request, response) => {
      seen.push(request.headers.authorization);
      const name = new URL(request.url ?? '', 'http://x').searchParams.get('file');
      if (name !== null) return response.end(hub.models[ID].files[name]);
      if (/tree/.test(request.url ?? '')) return json(response, []);
      return json(response, { sha: COMMIT });
    });
    return { ...server, seen };
  }
  const atHub = () =>
    hub.requests.filter(({ storage }) => !storage).map(({ authorization }) => authorization);

  it('goes with every request to the Hub itself, redirects within it included', async () => {
    answer(/^(?!\/moved).*\/revision\//, (request, response) =>
      response.writeHead(307, { location: `/moved${request.url}` }).end(),
    );
    const other = hub.intercept;
    hub.intercept = (request, response, isStorage) => {
      if (!/^\/moved/.test(request.url ?? '')) return other(request, response, isStorage);
      json(response, { sha: COMMIT });
      return true;
    };
    await pull();
    expect(atHub().length).toBeGreaterThan(4);
    expect(new Set(atHub())).toEqual(new Set([`Bearer ${TOKEN}`]));
  });

  it('stays when a question is redirected to another host', async () => {
    const other = await elsewhere();
    answer(QUESTION, (_, response) => response.writeHead(302, { location: `${other.url}/x` }).end());
    await pull();
    expect(other.seen).toEqual([undefined]);
    await other.close();
  });

  it('stays when another port of the same host is meant', async () => {
    const other = await elsewhere();
    expect(new URL(other.url).hostname).toBe(new URL(hub.endpoint).hostname);
    answer(LIST, (_, response) => response.writeHead(308, { location: `${other.url}/tree` }).end());
    await failure();
    expect(other.seen).toEqual([undefined]);
    await other.close();
  });

  it('stays when a list goes on at another host', async () => {
    const other = await elsewhere();
    const files = [
      { type: 'file', path: 'sd.ckpt', size: 3, oid: 'a'.repeat(40), lfs: { oid: sha256('abc'), size: 3 } },
    ];
    hub.models[ID] = { commit: COMMIT, files: { 'sd.ckpt': 'abc' } };
    answer(LIST, (_, response) =>
      json(response, files, { link: `<${other.url}/tree?cursor=2>; rel="next"` }),
    );
    await pull();
    expect(other.seen).toEqual([undefined]);
    await other.close();
  });

  it('stays when content is in a storage elsewhere: LFS, Xet, or small files', async () => {
    const other = await elsewhere();
    answer(CONTENT, (request, response) => {
      const name = /\/resolve\/[^/]+\/(.*)/.exec(decodeURIComponent(request.url ?? ''))?.[1] ?? '';
      response
        .writeHead(302, {
          location: `${other.url}/xet?file=${encodeURIComponent(name)}&X-Amz-Signature=1`,
          'x-xet-hash': 'f'.repeat(64),
          link: `<${other.url}/auth>; rel="xet-auth", <${other.url}/reconstruction>; rel="xet-reconstruction-info"`,
        })
        .end();
    });
    const { files } = await pull();
    expect(other.seen).toEqual(files.map(() => undefined));
    await other.close();
  });

  it('comes back with a redirect from elsewhere to the Hub', async () => {
    const other = await listen((_, response) =>
      response.writeHead(302, { location: `${hub.endpoint}/back` }).end(),
    );
    answer(QUESTION, (_, response) => response.writeHead(302, { location: other.url }).end());
    const first = hub.intercept;
    hub.intercept = (request, response, isStorage) => {
      if (request.url !== '/back') return first(request, response, isStorage);
      json(response, { sha: COMMIT });
      return true;
    };
    await pull();
    expect(new Set(atHub())).toEqual(new Set([`Bearer ${TOKEN}`]));
    await other.close();
  });

  it('is refused in the address of the endpoint, and not shown', async () => {
    const env = { ...hub.env, HF_ENDPOINT: hub.endpoint.replace('//', `//me:${TOKEN}@`) };
    const message = await pull({}, { env }).then(String, ({ message: text }: Error) => text);
    expect(message).toMatch(/^HF_ENDPOINT: must not hold a name or password, got one for 127\.0\.0\.1/);
    expect(message).not.toContain(TOKEN);
  });
});

describe('the content of a file', () => {
  const unet = () => Buffer.from(hub.models[ID].files[UNET]);
  const atStorage = new RegExp(`${UNET}$`);

  it('a byte for each connection ends, as do connections that bring less than a hundredth', async () => {
    const seen = answer(
      atStorage,
      (request, response) => {
        const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
        response.writeHead(from > 0 ? 206 : 200, {
          'content-length': unet().length - from,
          ...(from > 0 ? { 'content-range': `bytes ${from}-${unet().length - 1}/${unet().length}` } : {}),
        });
        response.write(unet().subarray(from, from + 1), () => setTimeout(() => response.destroy(), 5));
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
      /sends too slowly, .*of 200000 bytes of .* are here and kept/,
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

  it('a model_index.json of many megabytes is not fetched', async () => {
    hub.models[ID] = fakePipeline({ files: { 'model_index.json': ' '.repeat(2000) } });
    expect(await failure({ answerBytes: 1000 })).toMatch(
      /model_index\.json has 0\.0 MB, which is no list of parts/,
    );
    expect(hub.requests.some(({ url }) => CONTENT.test(url))).toBe(false);
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
