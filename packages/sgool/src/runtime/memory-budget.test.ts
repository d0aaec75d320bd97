import { describe, expect, it } from 'vitest';
import { MemoryBudget } from './memory-budget.ts';

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
