/** @file Which programs may stay in memory together: the least recently used are evicted for others. */
import { sum } from '../numbers.ts';

/** Keeps account of what programs hold in memory. It frees nothing itself. */
export class MemoryBudget {
  private readonly budget: number;
  /** Bytes by key, the most recently used at the end. */
  private readonly held = new Map<string, number>();

  /** @param budget bytes that all programs may hold together; a single one may hold more */
  constructor(budget: number) {
    this.budget = budget;
  }

  /** Notes that a program is used. @returns the keys of those that must be freed first, which it then counts no more */
  enter(key: string, bytes: number): string[] {
    this.held.delete(key);
    let total = bytes + sum(this.held.values());
    const evicted: string[] = [];
    for (const [other, held] of this.held) {
      if (total <= this.budget) break;
      evicted.push(other);
      total -= held;
    }
    for (const other of evicted) this.held.delete(other);
    this.held.set(key, bytes);
    return evicted;
  }

  /** Notes that a program was freed. */
  leave(key: string): void {
    this.held.delete(key);
  }
}
