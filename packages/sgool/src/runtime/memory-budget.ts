/** @file Which programs may stay in memory together. */

/** The programs that are there, and what they hold: those that were not used for the longest time make room for others. */
export class MemoryBudget {
  private readonly budget: number;
  /** Bytes by key, the one that was used last at the end. */
  private readonly held = new Map<string, number>();

  /** @param budget bytes that all programs may hold together; a single one may hold more */
  constructor(budget: number) {
    this.budget = budget;
  }

  /** Notes that a program is used, and gives those that have to go before. */
  enter(key: string, bytes: number): string[] {
    this.held.delete(key);
    let total = bytes + [...this.held.values()].reduce((sum, each) => sum + each, 0);
    const gone: string[] = [];
    for (const [other, held] of this.held) {
      if (total <= this.budget) break;
      gone.push(other);
      total -= held;
    }
    for (const other of gone) this.held.delete(other);
    this.held.set(key, bytes);
    return gone;
  }

  leave(key: string): void {
    this.held.delete(key);
  }
}
