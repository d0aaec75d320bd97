import { describe, expect, it } from 'vitest';
import { MemoryBudget } from './memory-budget.ts';

describe('MemoryBudget', () => {
  it('lets programs stay together as long as there is room', () => {
    const room = new MemoryBudget(10);
    expect(room.enter('a', 4)).toEqual([]);
    expect(room.enter('b', 6)).toEqual([]);
    expect(room.enter('a', 4)).toEqual([]);
  });

  it('makes room by those that were not used for the longest time, and by no more than needed', () => {
    const room = new MemoryBudget(10);
    for (const key of ['a', 'b', 'c']) room.enter(key, 3);
    room.enter('a', 3);
    expect(room.enter('d', 4)).toEqual(['b']);
    expect(room.enter('e', 7)).toEqual(['c', 'a', 'd']);
  });

  it('holds a program that is larger than the room, alone', () => {
    const room = new MemoryBudget(10);
    room.enter('a', 1);
    expect(room.enter('huge', 20)).toEqual(['a']);
    expect(room.enter('huge', 20)).toEqual([]);
    expect(room.enter('a', 1)).toEqual(['huge']);
  });

  it('holds one at a time without any room, and has room again where one left', () => {
    const none = new MemoryBudget(0);
    none.enter('a', 1);
    expect(none.enter('b', 1)).toEqual(['a']);
    const room = new MemoryBudget(2);
    room.enter('a', 2);
    room.leave('a');
    expect(room.enter('b', 2)).toEqual([]);
  });
});
