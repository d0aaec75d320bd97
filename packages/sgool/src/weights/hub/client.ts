/**
 * @file Requests to a Hub: the commit of a revision, the files of a commit, their bytes. `@huggingface/hub` knows the API; this
 * file adds the endpoint, the token, and messages for errors. Node only.
 */
import { HUB_URL, type ListFileEntry, listFiles, modelInfo } from '@huggingface/hub';
import { UserError } from '../../errors.ts';
import { answerError, connectionError, type Question } from './answer-errors.ts';
import { isCommit } from './cache.ts';
import { HubInterruption, withRetries } from './retries.ts';

/** A file of a model on the Hub. */
export interface HubFile {
  /** Path in the repository, with slashes. */
  readonly path: string;
  readonly size: number;
  /** SHA-256 of the content for large files, git's SHA-1 for the others; also the name of its blob. */
  readonly hash: string;
}

/** A connection to a Hub. */
export interface HubClient {
  readonly endpoint: string;
  /** The commit that a branch or tag points to. @throws UserError */
  commit(id: string, revision: string, signal?: AbortSignal): Promise<string>;
  /** All files at a commit. @throws UserError */
  files(id: string, commit: string, signal?: AbortSignal): Promise<HubFile[]>;
  /**
   * The content of a file from byte `from` on.
   *
   * @returns a response with status 200 (all of it), 206 (the rest) or 416 (there is no rest)
   * @throws HubInterruption when a retry may help
   * @throws UserError when it would not
   */
  open(id: string, commit: string, path: string, from: number, signal?: AbortSignal): Promise<Response>;
}

/** How a Hub is reached. */
export interface HubClientOptions {
  /** Address of the Hub without a trailing slash. Default: the public Hub. */
  readonly endpoint?: string;
  readonly token?: string;
  /** Number of retries after an interruption. Default 3. */
  readonly retries?: number;
  /** Milliseconds before the first retry; each further wait is twice as long. Default 500. */
  readonly retryDelay?: number;
}

/** Timeout of a small request in milliseconds. */
const ANSWER_MS = 60_000;

/** Creates a client; nothing is requested yet. */
export function createHubClient({
  endpoint = HUB_URL,
  token,
  retries = 3,
  retryDelay = 500,
}: HubClientOptions = {}): HubClient {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };

  /** `fetch` with the token, and every failure as an interruption or a `UserError` about `what`. */
  const ask =
    (what: Question, signal?: AbortSignal, allowed: readonly number[] = []): typeof fetch =>
    async (input, init) => {
      const response = await fetch(input, {
        ...init,
        // The server names the next page of a list. The token must not be sent to another host.
        headers: { ...init?.headers, ...(originOf(input) === new URL(endpoint).origin ? headers : {}) },
        signal,
      }).catch((error) => {
        signal?.throwIfAborted();
        throw connectionError(error, endpoint);
      });
      if (response.ok || allowed.includes(response.status)) return response;
      await response.body?.cancel().catch(() => undefined);
      throw answerError(response, what, { endpoint, token });
    };

  /** A small request, with a timeout for each attempt. */
  const asking = <T>(question: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal) =>
    withRetries(
      async () => {
        const limit = AbortSignal.timeout(ANSWER_MS);
        try {
          return await question(signal === undefined ? limit : AbortSignal.any([signal, limit]));
        } catch (error) {
          signal?.throwIfAborted();
          if (error instanceof UserError || error instanceof HubInterruption) throw error;
          const reason = limit.aborted ? 'no answer in time' : (error as Error).message;
          throw new HubInterruption(`hub: ${endpoint} gives no usable answer: ${reason}`, { cause: error });
        }
      },
      { retries, retryDelay, signal },
    );

  return {
    endpoint,
    async commit(id, revision, signal) {
      const what = { id, revision };
      const { sha } = await asking(
        (limitedSignal) =>
          modelInfo({
            name: id,
            revision,
            hubUrl: endpoint,
            additionalFields: ['sha'],
            fetch: ask(what, limitedSignal),
          }),
        signal,
      );
      if (typeof sha === 'string' && isCommit(sha)) return sha;
      throw new UserError(
        `hub: ${endpoint} does not give the commit of revision ${revision} of ${id}, got ${sha}`,
      );
    },
    async files(id, commit, signal) {
      const what = { id, revision: commit };
      return asking(async (limitedSignal) => {
        const found: HubFile[] = [];
        const entries = listFiles({
          repo: id,
          revision: commit,
          recursive: true,
          hubUrl: endpoint,
          fetch: ask(what, limitedSignal),
        });
        for await (const entry of entries) if (entry.type === 'file') found.push(hubFile(entry, id));
        return found;
      }, signal);
    },
    open(id, commit, path, from, signal) {
      const name = path.split('/').map(encodeURIComponent).join('/');
      const url = `${endpoint}/${id}/resolve/${commit}/${name}`;
      const range: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
      // Uncompressed: after a proxy's compression, offsets and lengths would not be those of the file.
      return ask(
        { id, revision: commit, path },
        signal,
        [416],
      )(url, {
        headers: { 'accept-encoding': 'identity', ...range },
      });
    },
  };
}

const originOf = (input: Parameters<typeof fetch>[0]): string =>
  new URL(input instanceof Request ? input.url : input).origin;

/** @throws UserError when a file's name would lead outside the snapshot, or its hash is missing */
function hubFile({ path, size, oid, lfs }: ListFileEntry, id: string): HubFile {
  const parts = path.split('/');
  // Backslashes and colons would lead outside the folder on Windows.
  if (parts.some((part) => part === '' || part === '.' || part === '..') || /[\\:\0]/.test(path)) {
    throw new UserError(`hub: ${id} has a file with an unsafe name, got ${JSON.stringify(path)}`);
  }
  const hash = lfs?.oid ?? oid;
  if (typeof hash !== 'string' || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) {
    throw new UserError(`hub: ${id} gives no hash for ${path}, got ${hash}; it cannot be checked`);
  }
  const bytes = lfs?.size ?? size;
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw new UserError(`hub: ${id} gives no size for ${path}, got ${bytes}`);
  }
  return { path, size: bytes, hash };
}
