import { describe, expect, it, vi } from 'vitest';
import { contentionMeter, measureMachine } from './machine-speed.ts';

describe('contentionMeter', () => {
  it('is wall time over processor time, and never below 1', () => {
    let [wall, used] = [1000, 50];
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => wall);
    const contention = contentionMeter(() => used);
    [wall, used] = [1600, 250];
    expect(contention()).toBe(3);
    used = 5000;
    expect(contention()).toBe(1);
    clock.mockRestore();
  });

  it('is 1 where the processor time is unknown', () => {
    expect(contentionMeter(() => undefined)()).toBe(1);
  });

  it('reads the clock of the process', () => {
    const contention = contentionMeter();
    const end = performance.now() + 30;
    while (performance.now() < end);
    expect(contention()).toBeGreaterThanOrEqual(1);
    expect(contention()).toBeLessThan(30);
  });
});

describe('measureMachine', () => {
  it('finds a speed that a processor can have', async () => {
    const { flops } = await measureMachine({ device: 'cpu', threads: 1 });
    expect(flops).toBeGreaterThan(1e8);
    expect(flops).toBeLessThan(1e14);
  });
});
