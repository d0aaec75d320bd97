/** @file Questions to a Hub: the commit of a revision, the files of a commit, their bytes. Node only. */
import { UserError } from '../../errors.ts';
import { isCommit } from './cache.ts';
import { leadsOutside, unsafe } from './file-names.ts';
import { HUB_LIMITS, type HubLimits } from './limits.ts';
import { type Request, type Route, requestJson, send } from './request.ts';
import { withRetries } from './retries.ts';

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
  open(id: string, commit: string, file: HubFile, from: number, signal: AbortSignal): Promise<Response>;
}

/** How a Hub is reached. */
export interface HubClientOptions {
  /** Address of the Hub without a trailing slash. Default: the public Hub. */
  readonly endpoint?: string;
  readonly token?: string;
  readonly limits?: HubLimits;
}

/** The public Hub. */
const HUB_URL = 'https://huggingface.co';

/** Creates a client; nothing is requested yet. */
export function createHubClient({
  endpoint = HUB_URL,
  token,
  limits = HUB_LIMITS,
}: HubClientOptions = {}): HubClient {
  const route: Route = { endpoint, token, limits };

  /** Answers a question with as many requests and retries as it takes, within the limit of time. */
  async function answer<T>(
    question: (ask: (request: Pick<Request, 'url' | 'what'>) => ReturnType<typeof requestJson>) => Promise<T>,
    outer?: AbortSignal,
  ): Promise<T> {
    const limit = AbortSignal.timeout(limits.questionTime);
    const signal = outer === undefined ? limit : AbortSignal.any([outer, limit]);
    try {
      return await question((request) =>
        withRetries(() => requestJson({ ...request, signal }, route), limits, signal),
      );
    } catch (error) {
      outer?.throwIfAborted();
      if (!limit.aborted) throw error;
      throw new UserError(`hub: ${endpoint} gives no answer within ${limits.questionTime / 1000} s`, {
        cause: error,
      });
    }
  }

  return {
    endpoint,
    commit: (id, revision, signal) =>
      answer(async (ask) => {
        const url = `${endpoint}/api/models/${id}/revision/${encodeURIComponent(revision)}?expand=sha`;
        const { value } = await ask({ url, what: { id, revision } });
        const { sha } = Object(value) as { sha?: unknown };
        if (typeof sha === 'string' && isCommit(sha)) return sha;
        throw new UserError(
          `hub: ${endpoint} does not give the commit of revision ${revision} of ${id}, got ${brief(sha)}`,
        );
      }, signal),
    files: (id, commit, signal) =>
      answer(async (ask) => {
        const found: HubFile[] = [];
        const pages = new Set<string>();
        let url: string | undefined =
          `${endpoint}/api/models/${id}/tree/${commit}?recursive=true&expand=false`;
        while (url !== undefined) {
          if (pages.has(url) || pages.size >= limits.pages) {
            throw new UserError(`hub: ${endpoint} lists the files of ${id} without end`);
          }
          pages.add(url);
          const { value, headers } = await ask({ url, what: { id, revision: commit } });
          if (!Array.isArray(value)) {
            throw new UserError(`hub: ${endpoint} does not list the files of ${id}, got ${brief(value)}`);
          }
          for (const entry of value) {
            const file = hubFile(entry, id);
            if (file !== undefined) found.push(file);
          }
          url = nextPage(headers, url, id);
        }
        return found;
      }, signal),
    async open(id, commit, file, from, signal) {
      const name = file.path.split('/').map(encodeURIComponent).join('/');
      const range: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
      return send(
        {
          url: `${endpoint}/${id}/resolve/${commit}/${name}`,
          what: { id, revision: commit, path: file.path },
          // Uncompressed: after a proxy's compression, offsets and lengths would not be those of the file.
          headers: { 'accept-encoding': 'identity', ...range },
          allowed: from > 0 ? [416] : [],
          signal,
          onOwnAnswer: (headers) => checkAnnounced(headers, { id, commit, file }),
        },
        route,
      );
    },
  };
}

/** A value of an answer, for messages. */
const brief = (value: unknown) => String(JSON.stringify(value)).slice(0, 60);

const HASH = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * Compares what the Hub says of a file, when it is asked for its content, with what the list said.
 *
 * @throws UserError where it is another file by now
 */
function checkAnnounced(
  headers: Headers,
  { id, commit, file }: { id: string; commit: string; file: HubFile },
): void {
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^(W\/)?"(.*)"$/, '$2');
  const said: readonly [name: string, value: string | null, listed: string][] = [
    ['commit', headers.get('x-repo-commit'), commit],
    ['size', headers.get('x-linked-size'), String(file.size)],
    // An ETag of another form is no hash of the content.
    ['hash', HASH.test(etag) && etag.length === file.hash.length ? etag : null, file.hash],
  ];
  for (const [name, value, listed] of said) {
    if (value === null || value === listed) continue;
    throw new UserError(
      `hub: ${id}: ${file.path} changed while it was pulled: the list gives the ${name} ${listed}, the file has ${value.slice(0, 80)}; run the same command again`,
    );
  }
}

/** The address of a list's next page, or undefined at its end. Reference: RFC 8288 */
function nextPage(headers: Headers, from: string, id: string): string | undefined {
  const [, target] = /<([^<>]*)>\s*;\s*rel="?next"?/i.exec(headers.get('link') ?? '') ?? [];
  if (target === undefined) return undefined;
  const next = URL.canParse(target, from) ? new URL(target, from) : undefined;
  if (next === undefined || (next.protocol !== 'https:' && next.protocol !== new URL(from).protocol)) {
    throw new UserError(`hub: the list of files of ${id} goes on at ${brief(target)}, which is not followed`);
  }
  return next.href;
}

/**
 * A file of a list; undefined for a folder.
 *
 * @throws UserError when a file's name would lead outside the snapshot, or its hash is missing
 */
function hubFile(entry: unknown, id: string): HubFile | undefined {
  const { type, path, size, oid, lfs } = Object(entry) as Readonly<Record<string, unknown>>;
  if (type !== 'file') return undefined;
  if (typeof path !== 'string')
    throw new UserError(`hub: ${id} has a file without a name, got ${brief(entry)}`);
  if (leadsOutside(path)) throw unsafe(id, path, 'it leads out of the folder');
  const large = Object(lfs) as Readonly<Record<string, unknown>>;
  const hash = large.oid ?? oid;
  if (typeof hash !== 'string' || !HASH.test(hash)) {
    throw new UserError(`hub: ${id} gives no hash for ${path}, got ${brief(hash)}; it cannot be checked`);
  }
  const bytes = large.size ?? size;
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0) {
    throw new UserError(`hub: ${id} gives no size for ${path}, got ${brief(bytes)}`);
  }
  return { path, size: bytes, hash };
}
