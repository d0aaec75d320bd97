/**
 * @file One request to a Hub: redirects, the token, and what the answer may be. Every failure is a `HubInterruption`, where a retry may
 * help, or a `UserError`, where it would not. Node only.
 */
import { UserError } from '../../errors.ts';
import { dropBody, fetchUntil, readBody } from '../../platform/http.ts';
import { parseJson } from '../../platform/json.ts';
import { answerError, connectionError, type Question } from './answer-errors.ts';
import { type HubLimits, watchSpeed } from './limits.ts';
import { HubInterruption } from './retries.ts';

/** Where the requests of one client go. */
export interface Route {
  /** Address of the Hub without a trailing slash. */
  readonly endpoint: string;
  readonly token?: string;
  readonly limits: HubLimits;
}

/** One request. */
export interface Request {
  readonly url: string;
  /** For messages. */
  readonly what: Question;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses that are no failure, beside 200 to 299. */
  readonly allowed?: readonly number[];
  readonly signal: AbortSignal;
  /** Called for each answer of the Hub's own, redirects included. Its errors end the request. */
  readonly onOwnAnswer?: (headers: Headers) => void;
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Sends a request and follows its redirects. The token goes to the origin of the endpoint, and to no other. */
export async function send(request: Request, route: Route): Promise<Response> {
  const { what, signal, allowed = [], onOwnAnswer } = request;
  const { endpoint, token, limits } = route;
  const seen = new Set<string>();
  let url = new URL(request.url);
  for (;;) {
    seen.add(url.href);
    const isOwn = url.origin === new URL(endpoint).origin;
    const response = await fetchUntil(url, {
      headers: {
        ...request.headers,
        ...(isOwn && token !== undefined ? { authorization: `Bearer ${token}` } : {}),
      },
      // Followed here: `fetch` itself would follow from https to http, and would count to 20.
      redirect: 'manual',
      signal,
    }).catch((error) => {
      signal.throwIfAborted();
      throw connectionError(error, endpoint);
    });
    try {
      if (isOwn) onOwnAnswer?.(response.headers);
      if (!REDIRECTS.has(response.status)) {
        if (response.ok || allowed.includes(response.status)) return response;
        throw answerError(response, what, route);
      }
      const next = redirectTarget(response, url, endpoint);
      if (seen.has(next.href))
        throw new UserError(`hub: ${endpoint} redirects in a circle, at ${shown(next)}`);
      if (seen.size > limits.redirects) {
        throw new UserError(
          `hub: ${endpoint} redirects more than ${limits.redirects} times, last to ${shown(next)}`,
        );
      }
      await dropBody(response);
      url = next;
    } catch (error) {
      await dropBody(response);
      throw error;
    }
  }
}

/** Without the query, which may hold a signature. */
const shown = ({ origin, protocol, pathname }: URL) =>
  `${origin === 'null' ? protocol : origin}${pathname}`.slice(0, 200);

function redirectTarget({ headers, status }: Response, from: URL, endpoint: string): URL {
  const location = headers.get('location');
  if (location === null || !URL.canParse(location, from.href)) {
    throw new UserError(`hub: ${endpoint} answers ${status} without an address to go to`);
  }
  const to = new URL(location, from);
  if (to.protocol !== 'https:' && to.protocol !== from.protocol) {
    throw new UserError(
      `hub: ${endpoint} redirects from ${from.protocol} to ${shown(to)}, which is not followed; only https is`,
    );
  }
  if (to.username !== '' || to.password !== '') {
    throw new UserError(`hub: ${endpoint} redirects to an address with a password, which is not followed`);
  }
  return to;
}

/**
 * Requests JSON.
 *
 * @returns the value, which is unchecked, and the headers of the answer
 */
export async function requestJson(
  request: Omit<Request, 'allowed' | 'headers' | 'onOwnAnswer'>,
  route: Route,
): Promise<{ value: unknown; headers: Headers }> {
  const { endpoint, limits } = route;
  const watch = watchSpeed(limits, request.signal);
  let response: Response | undefined;
  try {
    response = await send(
      { ...request, headers: { accept: 'application/json' }, signal: watch.signal },
      route,
    );
    watch.restart();
    const text = await readText(readBody(response, watch.signal), request.what, route, watch.got);
    return { value: parse(text, response, endpoint), headers: response.headers };
  } catch (error) {
    request.signal.throwIfAborted();
    if (watch.isSlow()) throw tooSlow(limits, error);
    throw error;
  } finally {
    watch.stop();
    if (response !== undefined) await dropBody(response);
  }
}

/** The connection was slower than the limit. */
export const tooSlow = ({ lowestSpeed, stall }: HubLimits, cause: unknown): HubInterruption =>
  new HubInterruption(
    `hub: the connection brought less than ${lowestSpeed} bytes a second for ${stall / 1000} s`,
    { cause },
  );

/** The text of an answer, read piece by piece, so that no more than the limit is ever in memory. */
async function readText(
  body: AsyncIterable<Uint8Array>,
  { id, path }: Question,
  { endpoint, limits }: Route,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = '';
  try {
    for await (const chunk of body) {
      onBytes(chunk.length);
      bytes += chunk.length;
      if (bytes > limits.answerBytes) {
        throw new UserError(
          `hub: ${endpoint} answers with more than ${limits.answerBytes / 1e6} MB for ${path ?? id}, which is no list of files`,
        );
      }
      text += decoder.decode(chunk, { stream: true });
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw connectionError(error, endpoint);
  }
  return text + decoder.decode();
}

function parse(text: string, { headers }: Response, endpoint: string): unknown {
  try {
    return parseJson(text, `hub: ${endpoint}`, 'any');
  } catch (cause) {
    const kind = headers.get('content-type')?.split(';')[0] ?? 'no type';
    const what = /^\s*</.test(text) ? 'a page' : 'something else';
    throw new UserError(
      `hub: ${endpoint} answers with ${what} (${kind}) in place of JSON; check HF_ENDPOINT, and whether the network asks you to log in`,
      { cause },
    );
  }
}
