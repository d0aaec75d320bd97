import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UserError } from '../../errors.ts';
import { HUB_LIMITS } from './limits.ts';
import { HubInterruption, pause, pauseBeforeRetry, retryAfter, withRetries } from './retries.ts';

const limits = { ...HUB_LIMITS, retries: 3, retryDelay: 100, longestWait: 350 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The milliseconds after which a promise has ended. */
async function timeOf(work: Promise<unknown>): Promise<number> {
  let ended = false;
  work.then(
    () => (ended = true),
    () => (ended = true),
  );
  for (let time = 0; ; time++) {
    await vi.advanceTimersByTimeAsync(0);
    if (ended) return time;
    await vi.advanceTimersByTimeAsync(1);
    if (time > 1e4) throw new Error('it does not end');
  }
}

describe('retry-after', () => {
  it.each([
    ['3', 3000],
    [' 0 ', 0],
    ['Thu, 01 Jan 1970 00:00:10 GMT', 9000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', 0],
    ['', 0],
  ])('%j', (text, wanted) => {
    expect(retryAfter(new Headers({ 'retry-after': text }), 1000)).toBe(wanted);
  });

  it('may be missing', () => {
    expect(retryAfter(new Headers())).toBe(0);
    expect(new HubInterruption('x').retryAfter).toBe(0);
  });
});

describe('the pause before a retry', () => {
  const wait = (failures: number, retryAfter = 0) =>
    pauseBeforeRetry(new HubInterruption('cut', { retryAfter }), failures, limits, { advice: 'later' });

  it.each([
    [0, 100],
    [1, 100],
    [2, 200],
    [3, 350],
  ])('doubles: after %i failures', async (failures, time) => {
    expect(await timeOf(wait(failures))).toBe(time);
  });

  it('is what the server asks for, if that is more', async () => {
    expect(await timeOf(wait(1, 350))).toBe(350);
    expect(await timeOf(wait(1, 20))).toBe(100);
    await expect(wait(1, 1351)).rejects.toThrow('cut and asks to wait 2 s; later');
  });

  it('has an end', async () => {
    await expect(wait(4)).rejects.toThrow(new UserError('cut; later'));
  });
});

describe('retries', () => {
  it('are for interruptions alone, and have an end', async () => {
    let asked = 0;
    const cut = (until: number) => () =>
      ++asked < until ? Promise.reject(new HubInterruption('cut')) : Promise.resolve(asked);
    const work = withRetries(cut(4), limits);
    expect(await timeOf(work)).toBe(100 + 200 + 350);
    expect(await work).toBe(4);
    asked = 0;
    const endless = withRetries(cut(99), limits);
    await timeOf(endless);
    await expect(endless).rejects.toThrow('cut; try again later');
    expect(asked).toBe(4);
    const bug = new TypeError('bug');
    await expect(withRetries(() => Promise.reject(bug), limits)).rejects.toBe(bug);
  });
});

describe('a pause', () => {
  it('ends with the reason of its signal, and leaves nothing behind', async () => {
    const stop = new AbortController();
    const waiting = pause(1000, stop.signal);
    stop.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
    expect(vi.getTimerCount()).toBe(0);
    await expect(pause(1, stop.signal)).rejects.toThrow('stopped');
    const calm = new AbortController();
    const forget = vi.spyOn(calm.signal, 'removeEventListener');
    await timeOf(pause(5, calm.signal));
    expect(forget).toHaveBeenCalledOnce();
  });
});
