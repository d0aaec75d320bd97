import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Study } from '../study.ts';
import { fakeStudy, NO_LIMITS, post, serveStudy, TestRater } from '../testing.ts';
import { VoteFiles } from '../votes.ts';
import { isSameSecret, nameInHost, namesOf, RateLimit } from './guards.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import { MOST_BODY, STUDY_LIMITS } from './study-app.ts';

type Server = Awaited<ReturnType<typeof serveStudy>>;
let root = '';
let folder = '';
let study: Study;
let running: Server[] = [];
const start = async (options: Parameters<typeof serveStudy>[2] = {}) => {
  const server = await serveStudy(folder, study, options);
  running.push(server);
  return server;
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sgool-study-server-'));
  ({ folder, study } = await fakeStudy(root, { prompts: 6, perRater: 4, checks: 2 }));
});
afterEach(async () => {
  await Promise.all(running.map((server) => server.close()));
  running = [];
});
afterAll(() => rm(root, { recursive: true }));

interface Raw {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** A request with whatever headers and path, which `fetch` would not send. */
async function raw(port: number, path: string, { method = 'GET', headers = {}, body }: Raw = {}) {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers }, resolve).on('error', reject);
    sent.end(body);
  });
  return { status: response.statusCode, headers: response.headers, text: await text(response) };
}

/** What the server says to these bytes, and to those that come drop by drop, until it ends the connection. */
function exchange(port: number, bytes: string, drip = ''): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let said = '';
  return new Promise((resolve) => {
    socket.on('data', (part) => {
      said += part;
    });
    socket.on('error', () => undefined);
    const timer = setInterval(() => socket.write(drip), 50);
    socket.on('close', () => {
      clearInterval(timer);
      resolve(said);
    });
    socket.write(bytes);
  });
}

describe('who may ask', () => {
  it.each([
    ['without a Host', 'GET / HTTP/1.0\r\n\r\n', 400],
    ['with an empty Host', 'GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n', 400],
    [
      'with two Hosts',
      'GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
      421,
    ],
    [
      'for an address of another server',
      'GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
      421,
    ],
    [
      'with headers without end',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
    ],
  ])('nobody %s', async (_, bytes, status) => {
    const { port } = await start();
    expect(await exchange(port, bytes)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  it.each([
    ['evil.example', 421],
    ['evil.example:PORT', 421],
    ['127.0.0.1.evil.example', 421],
    ['localhost@evil.example', 400],
    ['localhost:80:80', 400],
    ['192.168.1.7:PORT', 421],
    ['localhost:PORT', 200],
    ['LOCALHOST', 200],
    ['[::1]:PORT', 200],
  ])('under the Host %s: %i', async (host, status) => {
    const { port } = await start();
    const answer = await raw(port, '/', { headers: { Host: host.replace('PORT', String(port)) } });
    expect(answer.status).toBe(status);
    if (status !== 200) expect(answer.text).not.toContain('<html');
  });

  it.each([
    ['http://evil.example', 403],
    ['null', 403],
    ['http://localhost:1', 403],
    ['https://127.0.0.1:PORT.evil.example', 403],
    ['file://', 403],
    ['http://127.0.0.1:PORT', 201],
  ])('from the Origin %s: %i', async (origin, status) => {
    const { port, base } = await start();
    const before = (await new VoteFiles(folder, study).all()).length;
    const { status: found } = await post(
      `${base}/api/raters`,
      {},
      { Origin: origin.replace('PORT', `${port}`) },
    );
    expect(found).toBe(status);
    expect((await new VoteFiles(folder, study).all()).length).toBe(before + (status === 201 ? 1 : 0));
  });

  it('refuses a POST from another site without an Origin, and one that a form can send', async () => {
    const { base } = await start();
    expect((await post(`${base}/api/raters`, {}, { 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403);
    expect((await post(`${base}/api/raters`, '{}', { 'Content-Type': 'text/plain' })).status).toBe(415);
  });

  it('with a token only who has it: in the address once, then in a cookie', async () => {
    const token = 'x'.repeat(43);
    const { base } = await start({ token });
    for (const path of ['/', '/study.js', '/study.css', '/api/study', `/pictures/${study.pairs[0].a.id}`]) {
      expect((await fetch(base + path)).status).toBe(401);
      expect((await fetch(`${base + path}?token=${token}y`)).status).toBe(401);
      expect((await fetch(base + path, { headers: { Cookie: `sgool-study-${study.id}=no` } })).status).toBe(
        401,
      );
    }
    expect((await post(`${base}/api/raters`, {})).status).toBe(401);
    const entered = await fetch(`${base}/?token=${token}`, { redirect: 'manual' });
    expect([entered.status, entered.headers.get('location')]).toEqual([303, '/']);
    const cookie = entered.headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Lax/);
    const headers = { Cookie: cookie.split(';')[0] };
    expect(await (await fetch(base, { headers })).text()).toContain('<html');
    expect((await fetch(`${base}/api/study`, { headers })).status).toBe(200);
  });

  it('names: those of the machine, and those that were added', () => {
    expect(namesOf('127.0.0.1', ['Study.Example.org'])).toEqual(
      new Set(['localhost', '127.0.0.1', '::1', 'study.example.org']),
    );
    expect(namesOf('0.0.0.0', []).size).toBeGreaterThan(3);
    expect(['a.b:80', '[fe80::1]:1', 'x', 'a b', 'a:b', '[::1', 'a/b', undefined].map(nameInHost)).toEqual([
      'a.b',
      'fe80::1',
      'x',
      ...Array(5).fill(undefined),
    ]);
    expect([isSameSecret('abc', 'abc'), isSameSecret('abd', 'abc'), isSameSecret('', 'abc')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe('every answer', () => {
  it.each([
    ['/', 200],
    ['/study.js', 200],
    ['/study.css', 200],
    ['/api/study', 200],
    ['/api/session', 401],
    ['/nothing', 404],
  ])('has its guards: %s', async (path, status) => {
    const { base } = await start();
    const { headers, status: found } = await fetch(base + path);
    expect(found).toBe(status);
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/);
    expect(headers.get('content-security-policy')).not.toMatch(/unsafe|http/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });

  it('tells no method, no other rater and no path', async () => {
    const { base } = await start();
    const rater = await TestRater.begin(base, 'Ada');
    const said = [
      await (await fetch(base)).text(),
      await (await fetch(`${base}/api/study`)).text(),
      JSON.stringify(rater.session),
    ].join();
    for (const word of [
      'sgool"',
      'best-of',
      '"sd"',
      'degraded',
      '"check',
      study.pairs[0].a.sha256,
      root,
      'Ada',
    ])
      expect(said).not.toContain(word);
    expect(said).toContain('A &lt;fake&gt; study');
  });

  it('the page asks nothing of another place, and its script can be read', () => {
    expect(PAGE_SCRIPT).not.toMatch(/https?:|\/\/\w+\.\w/);
    expect(() => new Function(PAGE_SCRIPT)).not.toThrow();
  });
});

describe('pictures', () => {
  it('are found by ids, and by nothing else', async () => {
    const { port, base } = await start();
    const [{ a }] = study.pairs;
    const answer = await fetch(`${base}/pictures/${a.id}`);
    expect(answer.headers.get('content-type')).toBe('image/png');
    expect([...new Uint8Array(await answer.arrayBuffer()).subarray(1, 4)]).toEqual([80, 78, 71]);
    for (const id of [
      '../study.json',
      '..%2fstudy.json',
      '%2e%2e/study.json',
      '..%5cstudy.json',
      '/etc/passwd',
      a.sha256,
      `${a.sha256}.png`,
      `${a.id}.png`,
      `${a.id}%00`,
      a.id.toUpperCase(),
      '',
      'x'.repeat(3000),
      '__proto__',
    ]) {
      const { status, text: said } = await raw(port, `/pictures/${id}`);
      expect([id, status]).toEqual([id, 404]);
      expect(said).not.toContain(root);
    }
  });
});

describe('votes', () => {
  const first = (rater: TestRater) => rater.session.steps[0];

  it('are on the disk with everything that was seen, before they are answered', async () => {
    const { base } = await start();
    const rater = await TestRater.begin(base, '  Ada  ');
    const { pair, left, right } = first(rater);
    expect(await (await rater.vote(pair, 'better', 'left')).json()).toEqual({ outcome: 'stored' });
    const path = join(folder, 'votes', `${rater.session.rater}.jsonl`);
    const lines = (await readFile(path, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ kind: 'rater', nick: 'Ada', study: study.id, pictures: study.pictures });
    expect(lines[1]).toEqual({
      kind: 'vote',
      rater: rater.session.rater,
      id: expect.stringMatching(/^[\w-]{36}$/),
      pair,
      question: 'better',
      choice: 'left',
      left: left.id,
      right: right.id,
      ms: 1235,
      at: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect((await rater.now()).answers).toEqual([{ pair, question: 'better', choice: 'left' }]);
  });

  it('sent again change nothing, a second one is refused, and one taken back may be given anew', async () => {
    const { base } = await start();
    const rater = await TestRater.begin(base);
    const { pair } = first(rater);
    const id = 'the-same-id';
    const outcomes: unknown[] = [];
    for (const choice of ['left', 'left', 'right'])
      outcomes.push(await (await rater.vote(pair, 'better', choice, { id })).json());
    expect(outcomes).toEqual([{ outcome: 'stored' }, { outcome: 'repeated' }, { outcome: 'repeated' }]);
    expect((await rater.vote(pair, 'better', 'right')).status).toBe(409);
    expect((await rater.undo(pair, 'better')).status).toBe(200);
    expect((await rater.undo(pair, 'better')).status).toBe(409);
    expect((await rater.vote(pair, 'better', 'left', { id })).status).toBe(200);
    expect((await rater.now()).answers).toEqual([]);
    await rater.vote(pair, 'better', 'tie');
    expect((await rater.now()).answers).toEqual([{ pair, question: 'better', choice: 'tie' }]);
  });

  it("of one rater for another's pair, of nobody, and for pairs that are not there are refused", async () => {
    const { base } = await start();
    const [one, other] = [await TestRater.begin(base), await TestRater.begin(base)];
    const mine = new Set(one.session.steps.map(({ pair }) => pair));
    const foreign = other.session.steps.find(({ pair }) => !mine.has(pair))?.pair ?? '';
    expect(foreign).not.toBe('');
    expect((await one.vote(foreign, 'better', 'left')).status).toBe(403);
    expect((await one.undo(foreign, 'better')).status).toBe(403);
    expect((await one.vote('0'.repeat(16), 'better', 'left')).status).toBe(403);
    expect((await one.vote(first(one).pair, 'worse', 'left')).status).toBe(403);
    for (const token of [
      '',
      'short',
      '../../etc/passwd',
      one.session.rater,
      `${one.token}x`,
      'x'.repeat(5000),
    ]) {
      const stranger = new TestRater(base, token, one.session);
      expect((await stranger.vote(first(one).pair, 'better', 'left')).status).toBe(401);
    }
    expect((await one.now()).answers).toEqual([]);
  });

  it.each([
    ['no JSON', '{"id"', 400],
    ['a list', '[]', 400],
    ['null', 'null', 400],
    ['nothing', '', 400],
    ['deep nesting', '['.repeat(7000), 400],
    ['another choice', { choice: 'both' }, 400],
    ['an unknown key', { rater: 'x' }, 400],
    ['the sides from outside', { left: '0'.repeat(16) }, 400],
    ['no time', { ms: -1 }, 400],
    [
      'no finite time',
      '{"id":"12345678","pair":"0000000000000000","question":"better","choice":"tie","ms":1e999}',
      400,
    ],
    ['an id of another form', { id: '../../x/../x' }, 400],
    ['a pair of another form', { pair: '../study' }, 400],
    ['a question without end', { question: 'q'.repeat(100) }, 400],
    ['a body that is too large', { question: 'q'.repeat(MOST_BODY) }, 413],
  ])('that are %s are refused in one line', async (_, body, status) => {
    const { base, problems } = await start();
    const rater = await TestRater.begin(base);
    const whole = { id: '12345678', pair: first(rater).pair, question: 'better', choice: 'left', ms: 1 };
    const sent = typeof body === 'string' ? body : { ...whole, ...body };
    const answer = await post(`${base}/api/votes`, sent, { Authorization: `Bearer ${rater.token}` });
    expect(answer.status).toBe(status);
    expect(((await answer.json()) as { error: string }).error).toMatch(/^[^\n]{5,200}$/);
    expect((await rater.now()).answers).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('are refused for a nick that is too long', async () => {
    const { base } = await start();
    expect((await post(`${base}/api/raters`, { nick: 'n'.repeat(41) })).status).toBe(400);
  });

  it('of 10 MB are refused, with and without their length, and the server goes on', async () => {
    const { base, port } = await start();
    const head = 'POST /api/raters HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    const large = `${head}Content-Length: 10000000\r\n\r\n${'x'.repeat(10_000_000)}`;
    // The server may end the connection before all is sent.
    expect(await exchange(port, large)).toMatch(/^(HTTP\/1\.1 413|$)/);
    const parts = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 100; i++) controller.enqueue(new Uint8Array(100_000).fill(32));
        controller.close();
      },
    });
    const streamed = await fetch(`${base}/api/raters`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: parts,
      duplex: 'half',
    } as RequestInit).then(
      ({ status }) => status,
      () => 'ended',
    );
    expect([413, 'ended']).toContain(streamed);
    expect((await fetch(`${base}/api/study`)).status).toBe(200);
  });

  it.each([
    ['body never comes', ''],
    ['body comes drop by drop', ' '],
  ])('whose %s are ended, and others are answered meanwhile', async (_, drip) => {
    const { base, port } = await start({ requestMs: 600 });
    const begun = performance.now();
    const head = 'POST /api/raters HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    const ended = exchange(port, `${head}Content-Length: 1000\r\n\r\n{`, drip);
    await TestRater.begin(base);
    expect(await ended).toMatch(/^(HTTP\/1\.1 408|$)/);
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  it('are bounded in number, and say when to come back', async () => {
    let now = 0;
    const limits = { ...NO_LIMITS, votes: { burst: 3, perSecond: 0.5 }, raters: { burst: 2, perSecond: 1 } };
    const { base } = await start({ limits, now: () => new Date(now) });
    const rater = await TestRater.begin(base);
    const statuses: number[] = [];
    for (const { pair } of rater.session.steps.slice(0, 4))
      statuses.push((await rater.vote(pair, 'better', 'left')).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
    const refused = await rater.vote(rater.session.steps[3].pair, 'better', 'left');
    expect(refused.headers.get('retry-after')).toBe('2');
    now += 2000;
    expect((await rater.vote(rater.session.steps[3].pair, 'better', 'left')).status).toBe(200);
    const other = await TestRater.begin(base);
    expect((await other.vote(other.session.steps[0].pair, 'better', 'left')).status).toBe(200);
    await TestRater.begin(base);
    expect((await post(`${base}/api/raters`, {})).status).toBe(429);
    expect((await start({ limits: STUDY_LIMITS })).port).toBeGreaterThan(0);
  });

  it('that the disk refuses are not answered as stored, and the console says why', async () => {
    const { base, problems } = await start();
    const rater = await TestRater.begin(base);
    const path = join(folder, 'votes', `${rater.session.rater}.jsonl`);
    await rm(path);
    expect((await rater.vote(rater.session.steps[0].pair, 'better', 'left')).status).toBe(401);
    const moved = await serveStudy(join(root, 'evaluation.json'), study);
    running.push(moved);
    const refused = await post(`${moved.base}/api/raters`, {});
    expect(refused.status).toBe(500);
    expect(await refused.text()).not.toContain(root);
    expect(moved.problems).toHaveLength(1);
    expect(problems).toEqual([]);
  });
});

describe('the end', () => {
  it('waits for the votes that are on their way', async () => {
    const server = await serveStudy(folder, study);
    const raters = await Promise.all(Array.from({ length: 10 }, () => TestRater.begin(server.base)));
    // What the end cuts off is not answered.
    const sent = raters.flatMap((rater) =>
      rater.session.steps.map(({ pair }) =>
        rater.vote(pair, 'better', 'tie').then(
          ({ status }) => status,
          () => 0,
        ),
      ),
    );
    await sent[0];
    await server.close();
    const stored = (await Promise.all(sent)).filter((status) => status === 200).length;
    const ids = new Set(raters.map(({ session }) => session.rater));
    const logs = (await new VoteFiles(folder, study).all()).filter(({ rater }) => ids.has(rater.rater));
    const found = logs.reduce((total, { answers }) => total + answers.size, 0);
    expect(stored).toBeGreaterThan(0);
    expect(found).toBeGreaterThanOrEqual(stored);
    expect(logs.reduce((total, { torn }) => total + torn, 0)).toBe(0);
    expect((await readdir(join(folder, 'votes'))).every((name) => name.endsWith('.jsonl'))).toBe(true);
  });

  it('names a port that is taken, and an address of another machine', async () => {
    const { port } = await start();
    await expect(serveStudy(folder, study, { port })).rejects.toThrow(`--port: ${port} is taken`);
    await expect(serveStudy(folder, study, { host: '203.0.113.5' })).rejects.toThrow(
      '--host: 203.0.113.5 is no address of this machine',
    );
  });
});

describe('a rate', () => {
  it('lets a burst pass and then so many a second, for each key', () => {
    let now = 0;
    const rate = new RateLimit({ burst: 2, perSecond: 4 }, () => now);
    expect([rate.take('a'), rate.take('a'), rate.take('a'), rate.take('b')]).toEqual([0, 0, 1, 0]);
    now = 250;
    expect([rate.take('a'), rate.take('a')]).toEqual([0, 1]);
    now = 100_000;
    expect([rate.take('a'), rate.take('a'), rate.take('a')]).toEqual([0, 0, 1]);
  });

  it('forgets the oldest of very many keys, so that they do not fill the memory', () => {
    const rate = new RateLimit({ burst: 1, perSecond: 0.001 }, () => 0);
    expect([rate.take('first'), rate.take('first') > 0]).toEqual([0, true]);
    for (let i = 0; i < 10_001; i++) rate.take(String(i));
    expect(rate.take('first')).toBe(0);
  });
});
