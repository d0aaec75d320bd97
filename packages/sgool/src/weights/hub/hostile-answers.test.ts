/** @file A Hub that is broken or means harm costs a bounded time and memory, and gets no token: its answers, lists and redirects. */
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  answer,
  COMMIT,
  CONTENT,
  endless,
  failure,
  type Handler,
  hub,
  ID,
  IMPATIENT,
  json,
  LIST,
  openHub,
  pull,
  QUESTION,
  TOKEN,
} from './testing/hostile-hub.ts';
import { listen, sha256 } from './testing.ts';

beforeEach(openHub);
afterEach(() => hub.close());

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
