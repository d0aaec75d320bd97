import type { GraphCost } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { MemoryBudget } from './memory-budget.ts';
import { deviceBytes, heapBytes, programBudget } from './program-cache.ts';

describe('MemoryBudget', () => {
  it('lets programs stay together as long as they fit', () => {
    const budget = new MemoryBudget(10);
    expect(budget.enter('a', 4)).toEqual([]);
    expect(budget.enter('b', 6)).toEqual([]);
    expect(budget.enter('a', 4)).toEqual([]);
  });

  it('evicts the least recently used, and no more than needed', () => {
    const budget = new MemoryBudget(10);
    for (const key of ['a', 'b', 'c']) budget.enter(key, 3);
    budget.enter('a', 3);
    expect(budget.enter('d', 4)).toEqual(['b']);
    expect(budget.enter('e', 7)).toEqual(['c', 'a', 'd']);
  });

  it('holds a program that is larger than the budget, alone', () => {
    const budget = new MemoryBudget(10);
    budget.enter('a', 1);
    expect(budget.enter('huge', 20)).toEqual(['a']);
    expect(budget.enter('huge', 20)).toEqual([]);
    expect(budget.enter('a', 1)).toEqual(['huge']);
  });

  it('holds one at a time on a budget of 0, and counts no program that was freed', () => {
    const none = new MemoryBudget(0);
    none.enter('a', 1);
    expect(none.enter('b', 1)).toEqual(['a']);
    const budget = new MemoryBudget(2);
    budget.enter('a', 2);
    budget.leave('a');
    expect(budget.enter('b', 2)).toEqual([]);
  });
});

describe('the budget of programs', () => {
  it.each([
    ['what is free on a card, but for a fifth', 'auto', 'cuda', 80e9, 64e9],
    ['half of a small machine', 'auto', 'cpu', 8e9, 4e9],
    ['5 GB of a large machine, which others use too', 'auto', 'cpu', 64e9, 5e9],
    ['5 GB where nobody says what is free', 'auto', 'webgpu', undefined, 5e9],
    ['nothing if little memory is wanted', 'low', 'cuda', 80e9, 0],
    ['everything if it is plenty', 'plenty', 'cpu', 1e9, Number.POSITIVE_INFINITY],
  ] as const)('is %s', (_, memory, device, free, bytes) => {
    expect(programBudget(memory, device, free)).toBe(bytes);
  });

  it('counts a copy of the weights for each program on a card, and none of a mapped file', () => {
    const mapped = new Map([
      ['a', 30],
      ['b', 12],
    ]);
    const cost = { nodes: 2, activationBytes: 1000, copiedBytes: 5, mapped } as unknown as GraphCost;
    expect(deviceBytes(cost, 'cpu')).toBe(heapBytes(cost));
    expect(deviceBytes(cost, 'cuda')).toBe(heapBytes(cost) + 42);
  });
});
