import { describe, expect, it } from 'vitest';
import { until } from '../testing.ts';
import { fetchUntil, readBody } from './http.ts';

const stopped = new Error('stopped');
const soon = (controller: AbortController) => setTimeout(() => controller.abort(stopped), 5);

/** A body that sends one piece and then nothing, and knows of no signal. */
function silentBody() {
  const reasons: unknown[] = [];
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(Uint8Array.of(1, 2)),
    cancel: (reason) => void reasons.push(reason),
  });
  return { body, reasons };
}

describe('readBody', () => {
  it('ends with the reason of a signal that the body does not follow, and closes it', async () => {
    const controller = new AbortController();
    const { body, reasons } = silentBody();
    const pieces: number[] = [];
    const reading = (async () => {
      for await (const piece of readBody({ body }, controller.signal)) pieces.push(...piece);
    })();
    soon(controller);
    await expect(reading).rejects.toBe(stopped);
    expect(pieces).toEqual([1, 2]);
    expect(reasons).toEqual([stopped]);
  });

  it('reads nothing when the signal has fired before', async () => {
    const { body } = silentBody();
    await expect(readBody({ body }, AbortSignal.abort(stopped)).next()).rejects.toBe(stopped);
  });

  it('closes a body that is left early, and takes an answer without one', async () => {
    const { body, reasons } = silentBody();
    for await (const _piece of readBody({ body })) break;
    expect(reasons).toHaveLength(1);
    expect((await readBody({ body: null }).next()).done).toBe(true);
  });
});

describe('fetchUntil', () => {
  it('ends with the reason of the signal when no answer comes, and drops one that comes late', async () => {
    const controller = new AbortController();
    const { body, reasons } = silentBody();
    const late = new Response(body);
    let answer = (_response: Response) => {};
    const request = () => new Promise<Response>((resolve) => (answer = resolve));
    soon(controller);
    await expect(fetchUntil('http://x', { signal: controller.signal }, request)).rejects.toBe(stopped);
    answer(late);
    await until(() => reasons.length > 0, 'the reason of the late answer');
    expect(reasons).toHaveLength(1);
  });

  it('passes on answers and failures', async () => {
    const { signal } = new AbortController();
    const answer = new Response('yes');
    expect(await fetchUntil('http://x', { signal }, async () => answer)).toBe(answer);
    const failure = new TypeError('fetch failed');
    await expect(fetchUntil('http://x', { signal }, () => Promise.reject(failure))).rejects.toBe(failure);
    await expect(
      fetchUntil('http://x', { signal: AbortSignal.abort(stopped) }, () => Promise.reject(failure)),
    ).rejects.toBe(stopped);
  });
});
