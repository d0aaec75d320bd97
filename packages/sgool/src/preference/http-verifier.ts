/**
 * @file A server that scores pictures. The contract is in docs/verifiers.md: a POST of
 *
 *     {"version": 1, "prompt": "...", "image": "<PNG in base64>", "width": 512, "height": 512}
 *
 * is answered by `{"score": 0.73}`, more being better.
 */
import { NotFiniteError, UserError } from '../errors.ts';
import type { Image } from '../image/image.ts';
import { encodePng } from '../image/png.ts';
import { base64, concatBytes } from '../platform/bytes.ts';
import { dropBody, fetchUntil, readBody } from '../platform/http.ts';
import { parseJson } from '../platform/json.ts';
import type { ClipTarget } from './clip-target.ts';

/** Longest time for an answer, in milliseconds. */
const PATIENCE = 120_000;
/** Largest answer, in bytes; more than a score and its reasons need. */
const LARGEST_ANSWER = 1_000_000;

/** How long an answer may take, and how large it may be. */
export interface VerifierLimits {
  /** In milliseconds. */
  readonly patience?: number;
  /** In bytes. */
  readonly largest?: number;
}

/**
 * What calls the server.
 *
 * @returns its score. Throws a UserError in one line where the server is not there, takes too long, or answers something else; a
 *   NotFiniteError where the score is no finite number
 */
export function httpVerifier(
  url: string,
  { patience = PATIENCE, largest = LARGEST_ANSWER }: VerifierLimits = {},
): (image: Image, target: Pick<ClipTarget, 'text'>, signal?: AbortSignal) => Promise<number> {
  const who = `objective: verifier ${url}`;
  return async (image, { text }, signal) => {
    const { width, height } = image;
    const body = JSON.stringify({ version: 1, prompt: text, image: base64(encodePng(image)), width, height });
    const late = AbortSignal.timeout(patience);
    const both = signal ? AbortSignal.any([signal, late]) : late;
    try {
      const response = await fetchUntil(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body,
        signal: both,
        redirect: 'error',
      });
      if (!response.ok) {
        await dropBody(response);
        throw new UserError(
          `${who}: it answered ${response.status}; it must answer 200 with {"score": number}`,
        );
      }
      return scoreOf(await textOf(response, largest, both, who), who);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof UserError) throw error;
      if (late.aborted)
        throw new UserError(`${who}: no answer within ${patience / 1000} s`, { cause: error });
      const reason = (error as Error).cause ?? error;
      throw new UserError(
        `${who}: it cannot be reached: ${oneLine((reason as Error).message || String(reason))}`,
        {
          cause: error,
        },
      );
    }
  };
}

async function textOf(
  response: Response,
  largest: number,
  signal: AbortSignal,
  who: string,
): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of readBody(response, signal)) {
    bytes += piece.length;
    if (bytes > largest) throw new UserError(`${who}: its answer has more than ${largest} bytes`);
    pieces.push(piece);
  }
  return new TextDecoder().decode(concatBytes(pieces));
}

/** @throws UserError where the text is no answer @throws NotFiniteError where the score is not finite */
function scoreOf(text: string, who: string): number {
  const answer = parseJson(text, who) as { readonly score?: unknown } | null;
  const score = typeof answer === 'object' ? answer?.score : undefined;
  if (typeof score !== 'number') {
    throw new UserError(
      `${who}: it answered ${oneLine(text).slice(0, 80) || 'nothing'}; it must answer {"score": number}`,
    );
  }
  return finiteScore(score, who);
}

/** @throws NotFiniteError where a verifier gave no finite number */
export function finiteScore(score: number, who: string): number {
  if (Number.isFinite(score)) return score;
  throw new NotFiniteError(`${who}: its score is ${score}; it must be a finite number`);
}

const oneLine = (text: string) => text.replace(/\s+/g, ' ').trim();
