/** @file Messages for a Hub that does not answer or refuses. */
import { UserError } from '../../errors.ts';
import { HubInterruption, retryAfter } from './retries.ts';

/** What was requested. */
export interface Question {
  readonly id: string;
  readonly revision: string;
  readonly path?: string;
}

/** Error codes of a Hub that cannot be reached at all; retrying does not help. */
const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
/** Error codes of certificates, of encryption, of servers that do not speak HTTP (from Node 24 on a name), and of broken compression. */
const NOT_A_HUB =
  /^(HTTPParserError$|CERT_|ERR_TLS|ERR_SSL|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO|HPE_|UND_ERR_HEADERS_OVERFLOW|ERR_INVALID|Z_|ERR__ERROR_)/;
/** Statuses after which a retry may help. Reference: RFC 9110, section 15; RFC 6585, section 4 */
const TEMPORARY = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The reason why there was no answer, or no whole one. */
export function connectionError(error: unknown, endpoint: string): Error {
  const cause = (error as { cause?: { code?: string; name?: string; message?: string } }).cause;
  const code = cause?.code ?? (cause?.name === 'HTTPParserError' ? cause.name : undefined);
  const reason = code ?? cause?.message ?? (error as Error).message;
  if (code !== undefined && NOT_A_HUB.test(code)) {
    return new UserError(`hub: ${endpoint} does not answer as a Hub does: ${reason}; check HF_ENDPOINT`, {
      cause: error,
    });
  }
  const message = `hub: cannot reach ${endpoint}: ${reason}`;
  if (code === undefined || !UNREACHABLE.has(code)) return new HubInterruption(message, { cause: error });
  return new UserError(`${message}; check the network and HF_ENDPOINT, or set HF_HUB_OFFLINE=1`, {
    cause: error,
  });
}

/** The meaning of the Hub's refusal, which names its reason in a header. */
export function answerError(
  response: Response,
  { id, revision, path }: Question,
  { endpoint, token }: { endpoint: string; token?: string },
): Error {
  const { status } = response;
  const code = response.headers.get('x-error-code');
  if (TEMPORARY.has(status)) {
    return new HubInterruption(`hub: ${endpoint} answers ${status} for ${path ?? id}`, {
      retryAfter: retryAfter(response.headers),
    });
  }
  if (code === 'GatedRepo' || status === 403) {
    const first = `access is limited to approved users (${status}); accept the terms on ${endpoint}/${id}`;
    const then = token === undefined ? ', then set HF_TOKEN' : ' with the account of your token';
    return new UserError(`hub: ${id}: ${first}${then}`);
  }
  if (status === 401) {
    const right =
      token === undefined
        ? 'check the name, and set HF_TOKEN if it is private'
        : 'the token in use is not accepted or may not read it; check the name and HF_TOKEN';
    return new UserError(`hub: ${id} does not exist or is not public (401); ${right}`);
  }
  if (code === 'RevisionNotFound') {
    return new UserError(`hub: ${id} has no revision ${revision} (404); leave it out for main`);
  }
  if (status === 404 && path !== undefined) return new UserError(`hub: ${id} has no file ${path} (404)`);
  if (status === 404) {
    return new UserError(
      `hub: ${endpoint} has no model ${id}, or none with revision ${revision} (404); check the spelling`,
    );
  }
  return new UserError(`hub: ${endpoint} answers ${status} for ${path ?? id}`);
}
