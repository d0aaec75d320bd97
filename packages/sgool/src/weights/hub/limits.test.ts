import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fileTime, HUB_LIMITS, watchSpeed } from './limits.ts';

describe('the time for a file', () => {
  const limits = { ...HUB_LIMITS, fileTime: 1000, lowestAverage: 100 };

  it('grows with its size, and is rounded', () => {
    expect(fileTime(0, limits)).toBe(1000);
    expect(fileTime(50, limits)).toBe(1500);
    expect(fileTime(3, { ...limits, lowestAverage: 2000 })).toBe(1002);
    expect(fileTime(1, { ...limits, lowestAverage: 3000 })).toBe(1000);
  });

  it('is one that a timer can hold', () => {
    expect(fileTime(1e15, limits)).toBe(2 ** 31 - 1);
  });
});

it('what a broken Hub may cost is written out', () => {
  const seconds = (count: number) => 1000 * count;
  expect(HUB_LIMITS).toEqual({
    ...{ retries: 5, retryDelay: seconds(0.5), longestWait: seconds(60), redirects: 5 },
    ...{ stall: seconds(30), lowestSpeed: 1000, questionTime: seconds(5 * 60) },
    ...{ answerBytes: 16_000_000, pages: 1000 },
    ...{ fileTime: seconds(10 * 60), lowestAverage: 10_000 },
  });
});

describe('the speed of a connection', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const limits = { ...HUB_LIMITS, stall: 500, lowestSpeed: 1000 };
  const watched = () => {
    const user = new AbortController();
    return { user, watch: watchSpeed(limits, user.signal) };
  };

  it('is measured over each stretch of time', () => {
    const { watch } = watched();
    watch.got(300);
    watch.got(200);
    vi.advanceTimersByTime(500);
    expect([watch.isSlow(), watch.signal.aborted]).toEqual([false, false]);
    watch.got(499);
    vi.advanceTimersByTime(499);
    expect(watch.isSlow()).toBe(false);
    vi.advanceTimersByTime(1);
    expect([watch.isSlow(), watch.signal.aborted]).toEqual([true, true]);
    watch.stop();
  });

  it('is measured anew when the answer begins', () => {
    const { watch } = watched();
    watch.got(500);
    vi.advanceTimersByTime(400);
    watch.restart();
    vi.advanceTimersByTime(499);
    expect(watch.isSlow()).toBe(false);
    vi.advanceTimersByTime(1);
    expect(watch.isSlow()).toBe(true);
    watch.stop();
  });

  it('does not matter when the watch has ended, or the user stops', () => {
    const { user, watch } = watched();
    watch.stop();
    vi.advanceTimersByTime(5000);
    expect(watch.isSlow()).toBe(false);
    user.abort();
    expect([watch.isSlow(), watch.signal.aborted]).toEqual([false, true]);
  });
});
