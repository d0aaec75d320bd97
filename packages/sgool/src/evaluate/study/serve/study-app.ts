/**
 * @file The study as a web application: a page, pictures by id, and votes. It asks nothing of any other machine, and tells raters
 * no method.
 */
import { getConnInfo } from '@hono/node-server/conninfo';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { getCookie, setCookie } from 'hono/cookie';
import { HTTPException } from 'hono/http-exception';
import { z } from 'zod';
import { files } from '#platform';
import { UserError } from '../../../errors.ts';
import { parseJson } from '../../../platform/json.ts';
import { SIZE_LIMITS } from '../../../platform/size-limits.ts';
import { type Step, stepsFor } from '../assignment.ts';
import { picturePath, type Study } from '../study.ts';
import { answerKey, CHOICES, type Outcome, type RaterLog, VoteFiles } from '../votes.ts';
import { isSameSecret, nameInHost, type Rate, RateLimit } from './guards.ts';
import { pageHtml } from './page-html.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import { PAGE_STYLE } from './page-style.ts';

/** Largest body, in bytes. */
export const MOST_BODY = 16 * 1024;
const MOST_NICK = 40;
/** Raters of one study: their files must not fill the disk. */
const MOST_RATERS = 10_000;
/** One day: longer was not spent on one answer. */
const MOST_MS = 86_400_000;

export interface StudyLimits {
  /** All requests of one address. */
  readonly requests: Rate;
  /** New raters from one address. */
  readonly raters: Rate;
  /** Answers of one rater: nobody looks at two pictures for less than a quarter of a second, again and again. */
  readonly votes: Rate;
}

export const STUDY_LIMITS: StudyLimits = {
  requests: { burst: 600, perSecond: 60 },
  raters: { burst: 60, perSecond: 1 },
  votes: { burst: 60, perSecond: 4 },
};

export interface StudyAppOptions {
  /** Folder of the study. */
  readonly folder: string;
  readonly study: Study;
  /** Names under which the server may be asked; see `namesOf`. */
  readonly names: ReadonlySet<string>;
  /** Secret in the address that raters are given; absent where only this machine can ask. */
  readonly token?: string;
  readonly limits?: StudyLimits;
  readonly now?: () => Date;
  /** Called with one line for what the person who runs the server should know. */
  readonly onProblem?: (line: string) => void;
}

const enlistSchema = z.strictObject({ nick: z.string().trim().max(MOST_NICK).optional() });
const id = z.string().regex(/^[0-9a-f]{16}$/);
const placeSchema = { id: z.string().regex(/^[\w-]{8,64}$/), pair: id, question: z.string().max(32) };
const voteSchema = z.strictObject({
  ...placeSchema,
  choice: z.enum(CHOICES),
  ms: z.number().min(0).max(MOST_MS),
});
const undoSchema = z.strictObject(placeSchema);

/** Nothing but the page's own files, and no inline script or style. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
const HEADERS = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Frame-Options': 'DENY',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
  'X-Robots-Tag': 'noindex',
};

/** The application, and its votes. */
export interface StudyApp {
  readonly app: Hono;
  readonly votes: VoteFiles;
}

export function studyApp(options: StudyAppOptions): StudyApp {
  const { folder, study, names, token, limits = STUDY_LIMITS, now = () => new Date() } = options;
  const votes = new VoteFiles(folder, study);
  const pictures = new Map(study.pairs.flatMap(({ a, b }) => [a, b]).map((picture) => [picture.id, picture]));
  const clock = () => now().getTime();
  const [ofAddress, ofNewRaters, ofVotes] = [limits.requests, limits.raters, limits.votes].map(
    (rate) => new RateLimit(rate, clock),
  );
  const app = new Hono();

  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
    if (c.res.headers.get('Cache-Control') === null) c.header('Cache-Control', 'no-store');
  });
  app.onError((error, c) => {
    if (error instanceof HTTPException) return refuse(c, error.status, error.message);
    const reason = error instanceof UserError ? error.message : `unexpected error: ${error.message}`;
    options.onProblem?.(reason);
    return refuse(c, 500, 'not stored: the server has a problem, and its console says which');
  });
  app.notFound((c) => refuse(c, 404, 'there is no such page'));

  app.use(async (c, next) => {
    limit(c, ofAddress, addressOf(c));
    const name = nameInHost(c.req.header('Host'));
    if (name === undefined || !names.has(name))
      return refuse(c, 421, 'this server is not asked under this name');
    if (!isOwnOrigin(c, names)) return refuse(c, 403, 'pages of other sites may not ask');
    if (token !== undefined && !mayEnter(c, study, token))
      return refuse(c, 401, 'this link is not complete: open the whole one that you were given');
    return next();
  });
  app.use(bodyLimit({ maxSize: MOST_BODY, onError: (c) => refuse(c, 413, `more than ${MOST_BODY} bytes`) }));

  app.get('/', (c) => {
    const given = c.req.query('token');
    if (token === undefined || given === undefined) return c.html(pageHtml(study.title));
    // From the address into a cookie, so that it stands in no history and on no screen.
    setCookie(c, cookieOf(study), given, { httpOnly: true, sameSite: 'Lax', path: '/', maxAge: 30 * 86_400 });
    return c.redirect('/', 303);
  });
  app.get('/study.css', (c) => c.body(PAGE_STYLE, 200, { 'Content-Type': 'text/css; charset=utf-8' }));
  app.get('/study.js', (c) => c.body(PAGE_SCRIPT, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }));
  app.get('/favicon.ico', (c) => c.body(null, 204));
  app.get('/pictures/:id', async (c) => {
    const picture = pictures.get(c.req.param('id'));
    if (picture === undefined) return refuse(c, 404, 'there is no such picture');
    const file = await files.readBytes(picturePath(folder, picture), SIZE_LIMITS.picture);
    // Pictures never change; a browser may keep those that it has preloaded.
    return c.body(file, 200, {
      'Content-Type': 'image/png',
      'Cache-Control': 'private, max-age=86400, immutable',
    });
  });

  app.get('/api/study', (c) =>
    c.json({ id: study.id, title: study.title, questions: study.questions, steps: stepCount(study) }),
  );
  app.post('/api/raters', async (c) => {
    limit(c, ofNewRaters, addressOf(c));
    const { nick } = await bodyOf(c, enlistSchema);
    if ((await votes.count()) >= MOST_RATERS) return refuse(c, 503, `the study has ${MOST_RATERS} raters`);
    const made = await votes.enlist(nick === '' ? undefined : nick, now());
    return c.json({ token: made.token, ...sessionOf(study, made.log) }, 201);
  });
  app.get('/api/session', async (c) => c.json(sessionOf(study, await raterFrom(c, votes))));
  app.post('/api/votes', async (c) => {
    const log = await raterFrom(c, votes);
    limit(c, ofVotes, log.rater.rater);
    const { ms, ...vote } = await bodyOf(c, voteSchema);
    const { left, right } = stepOf(study, log, vote);
    const sides = { left: left.id, right: right.id };
    const at = now().toISOString();
    const line = {
      kind: 'vote' as const,
      rater: log.rater.rater,
      ...vote,
      ...sides,
      ms: Math.round(ms),
      at,
    };
    return outcome(c, await votes.add(line));
  });
  app.post('/api/undo', async (c) => {
    const log = await raterFrom(c, votes);
    limit(c, ofVotes, log.rater.rater);
    const place = await bodyOf(c, undoSchema);
    stepOf(study, log, place);
    const line = { kind: 'undo' as const, rater: log.rater.rater, ...place, at: now().toISOString() };
    return outcome(c, await votes.add(line));
  });
  return { app, votes };
}

type Status = HTTPException['status'];

/** JSON for the page, a line of text for people who open an address. */
function refuse(c: Context, status: Status, error: string): Response {
  return c.req.path.startsWith('/api/') ? c.json({ error }, status) : c.text(`${error}\n`, status);
}

const refusal = (status: Status, message: string) => new HTTPException(status, { message });

function outcome(c: Context, what: Outcome): Response {
  if (what === 'conflict') return refuse(c, 409, 'this was answered, or taken back, before');
  return c.json({ outcome: what });
}

const stepCount = ({ pairs, perRater }: Study) =>
  Math.min(perRater, pairs.filter(({ check }) => check === undefined).length) +
  pairs.filter(({ check }) => check !== undefined).length;

/** What a rater's page needs: ids, texts, sizes, and the answers so far. */
function sessionOf(study: Study, { rater, answers }: RaterLog) {
  const side = ({ id, width, height }: Step['left']) => ({ id, width, height });
  return {
    rater: rater.rater,
    steps: stepsFor(study, { id: rater.rater, number: rater.number }).map(({ pair, left, right }) => ({
      pair: pair.id,
      text: pair.text,
      left: side(left),
      right: side(right),
    })),
    answers: [...answers.values()].map(({ pair, question, choice }) => ({ pair, question, choice })),
  };
}

/** @throws HTTPException 401 unless the request has the token of a rater of this study */
async function raterFrom(c: Context, votes: VoteFiles): Promise<RaterLog> {
  const [, token] = /^Bearer ([\w-]{8,64})$/.exec(c.req.header('Authorization') ?? '') ?? [];
  const log = token === undefined ? undefined : await votes.find(token);
  if (log === undefined) throw refusal(401, 'no such rater in this study');
  return log;
}

/** @throws HTTPException 403 where this rater was not asked that */
function stepOf(
  study: Study,
  { rater }: RaterLog,
  asked: { readonly pair: string; readonly question: string },
): Step {
  const steps = stepsFor(study, { id: rater.rater, number: rater.number });
  const step = steps.find(({ pair }) => pair.id === asked.pair);
  if (step === undefined || !study.questions.some(({ id }) => id === asked.question))
    throw refusal(403, `this rater was not asked ${answerKey(asked)}`);
  return step;
}

/** @throws HTTPException 415 or 400 where the body is not what it must be */
async function bodyOf<Schema extends z.ZodType>(c: Context, schema: Schema): Promise<z.output<Schema>> {
  if (!/^application\/json\s*(;|$)/i.test(c.req.header('Content-Type') ?? ''))
    throw refusal(415, 'the body must be application/json');
  let value: unknown;
  try {
    value = parseJson(await c.req.text(), 'the body');
  } catch {
    throw refusal(400, 'the body is not JSON');
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw refusal(400, `${issue.path.join('.') || 'body'}: ${issue.message}`);
}

/** @throws HTTPException 429 where there were too many */
function limit(c: Context, rate: RateLimit, key: string): void {
  const seconds = rate.take(key);
  if (seconds === 0) return;
  c.header('Retry-After', String(seconds));
  throw refusal(429, 'too many requests');
}

function addressOf(c: Context): string {
  // Tests call the application without a socket.
  return c.env === undefined || !('incoming' in c.env) ? '' : (getConnInfo(c).remote.address ?? '');
}

/** Whether a request comes from the page itself. Browsers send the Origin with every POST. */
function isOwnOrigin(c: Context, names: ReadonlySet<string>): boolean {
  const origin = c.req.header('Origin');
  if (origin === undefined) return c.req.method === 'GET' || c.req.header('Sec-Fetch-Site') !== 'cross-site';
  if (!URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  // Not only one of our names: another port of this machine is another site.
  const isSame = host === c.req.header('Host')?.toLowerCase() || isDefaultPort(host, c.req.header('Host'));
  return /^https?:$/.test(protocol) && names.has(nameInHost(host) ?? '') && isSame;
}

/** A proxy may write the port that a URL leaves out. */
const isDefaultPort = (host: string, header = '') =>
  [`${host}:80`, `${host}:443`].includes(header.toLowerCase());

/** Each study has its own: cookies do not tell ports apart. */
const cookieOf = ({ id }: Study) => `sgool-study-${id}`;

function mayEnter(c: Context, study: Study, token: string): boolean {
  const given = [c.req.query('token'), getCookie(c, cookieOf(study))];
  return given.some((one) => one !== undefined && isSameSecret(one, token));
}
