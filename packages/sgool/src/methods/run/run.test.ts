import { describe, expect, it } from 'vitest';
import { stopRule } from './run.ts';

const never = { keep: 'clip', patience: 0, minImprovement: 0, targetClip: 100 } as const;
const stops = (
  settings: Partial<Record<Exclude<keyof typeof never, 'keep'>, number>>,
  losses: number[],
  clips: (number | undefined)[] = [],
) => {
  const { isEnough } = stopRule({ ...never, ...settings });
  return losses.map((total, i) => isEnough({ loss: { total }, clip: { A: clips[i] } }));
};

describe('stopRule', () => {
  it('ends no run by default', () => {
    expect(stops({}, [1, 1, 1], [100, 100, undefined])).toEqual([false, false, false]);
  });

  it('ends a run whose lowest loss has not fallen for so many iterations', () => {
    expect(stops({ patience: 2 }, [1, 2, 0.9, 0.95, 0.9])).toEqual([false, false, false, false, true]);
    expect(stops({ patience: 2, minImprovement: 0.2 }, [1, 0.9, 0.85])).toEqual([false, false, true]);
    // Many small falls add up to one that counts.
    expect(stops({ patience: 2, minImprovement: 0.15 }, [1, 0.9, 0.8, 0.7])).toEqual(Array(4).fill(false));
  });

  it('goes by the score where that selects', () => {
    const { isEnough } = stopRule({ ...never, keep: 'objective', patience: 2, minImprovement: 0.1 });
    const scores = [1, 2, 2.05, undefined, 5];
    const losses = [5, 4, 3, 2, 1];
    expect(
      scores.map((objective, i) => isEnough({ loss: { total: losses[i] }, clip: {}, objective })),
    ).toEqual([false, false, false, true, false]);
  });

  it('ends a run that has reached its score', () => {
    expect(stops({ targetClip: 40 }, [1, 1, 1], [undefined, 39, 40])).toEqual([false, false, true]);
  });
});
