/** @file Fetching a public prompt list from the repository that published it, at a fixed commit. */
import { UserError } from '../../errors.ts';
import { dropBody, fetchUntil, readBody } from '../../platform/http.ts';
import type { GivenFile, KnownSuite } from './known-suites.ts';

/** Most bytes of a file, and most time for it. The largest list has 200 kB. */
const MOST_BYTES = 5_000_000;
const MOST_MS = 60_000;

/**
 * The files of a list.
 *
 * @param options.fetch default: the global one
 * @throws UserError where the list has no address, or it cannot be fetched
 */
export async function fetchSuite(
  { name, forms }: KnownSuite,
  options: { readonly signal?: AbortSignal; readonly fetch?: typeof fetch } = {},
): Promise<GivenFile[]> {
  const files: GivenFile[] = [];
  for (const [file, { url }] of Object.entries(forms[0])) {
    if (url === undefined) {
      throw new UserError(
        `suite ${name}: has no address that it can be fetched from; get ${file} and give it to sgool suites add ${name}`,
        { exitCode: 2 },
      );
    }
    files.push({ name: file, text: await textAt(url, `suite ${name}`, options) });
  }
  return files;
}

async function textAt(
  url: string,
  who: string,
  { signal, fetch: request }: { readonly signal?: AbortSignal; readonly fetch?: typeof fetch },
): Promise<string> {
  const timeout = AbortSignal.timeout(MOST_MS);
  const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  try {
    const answer = await fetchUntil(url, { signal: either }, request);
    if (!answer.ok) {
      await dropBody(answer);
      throw new UserError(`${who}: ${url} answers ${answer.status}`);
    }
    return await limitedText(readBody(answer, either), `${who}: ${url}`);
  } catch (error) {
    if (error instanceof UserError) throw error;
    signal?.throwIfAborted();
    if (timeout.aborted)
      throw new UserError(`${who}: ${url} took more than ${MOST_MS / 1000} s`, { cause: error });
    const { message, cause } = error as Error;
    const reason = cause instanceof Error ? cause.message : message;
    throw new UserError(`${who}: cannot reach ${new URL(url).host}: ${reason}`, { cause: error });
  }
}

async function limitedText(body: AsyncIterable<Uint8Array>, who: string): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let [text, bytes] = ['', 0];
  for await (const part of body) {
    bytes += part.length;
    if (bytes > MOST_BYTES)
      throw new UserError(`${who}: is larger than ${MOST_BYTES} bytes, which no list is`);
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}
