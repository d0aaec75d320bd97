/** @file Progress of an evaluation on stderr: a bar with the time left on a terminal, a line for each cell elsewhere. */

import { printable } from '../../../errors.ts';
import type { PlannedCell } from '../../../evaluate/cells/plan.ts';
import type { EndedCell } from '../../../evaluate/run-evaluation.ts';
import type { StepProgress } from '../../../methods/run/iteration.ts';
import { mean } from '../../../numbers.ts';
import { formatSeconds, oneLine } from '../../terminal/format.ts';
import type { Terminal } from '../../terminal/terminal.ts';

/** Shortest time between two updates of the bar. */
const REDRAW_MS = 80;
const BAR_CELLS = 20;
/** Cells of a method whose mean time counts: the first one compiles programs. */
const RECENT = 5;

/** Time left, from the last cells of each method: methods differ in cost by a hundred times. */
export class CellPace {
  readonly #recent = new Map<string, number[]>();

  /** @param seconds wall time of a cell of the method of that label */
  add(label: string, seconds: number): void {
    this.#recent.set(label, [...(this.#recent.get(label) ?? []), seconds].slice(-RECENT));
  }

  /**
   * @param waiting the cells that wait
   * @param processes how many processes share them
   * @returns seconds, or undefined where a method among them has not been run yet
   */
  secondsLeft(waiting: readonly Pick<PlannedCell, 'label'>[], processes: number): number | undefined {
    let total = 0;
    for (const { label } of waiting) {
      const recent = this.#recent.get(label);
      if (recent === undefined) return undefined;
      total += mean(recent);
    }
    return total / Math.max(1, processes);
  }
}

export interface CellProgress {
  /** A line that stays. */
  note(text: string): void;
  /** A warning, shown even if progress is not. */
  warn(text: string): void;
  step(planned: PlannedCell, step: StepProgress): void;
  cell(ended: EndedCell): void;
  /** Clears the unfinished line. */
  end(): void;
}

export function cellProgress(out: Terminal, pace: CellPace, quiet: boolean): CellProgress {
  if (quiet) return new Quiet(out, pace);
  return out.isTTY ? new Bar(out, pace) : new Lines(out, pace);
}

/** Warnings only. */
class Quiet implements CellProgress {
  protected readonly out: Terminal;
  protected readonly pace: CellPace;
  constructor(out: Terminal, pace: CellPace) {
    this.out = out;
    this.pace = pace;
  }
  note(_text: string): void {}
  warn(text: string): void {
    this.out.write(`sgool: warning: ${oneLine(text)}\n`);
  }
  step(_planned: PlannedCell, _step: StepProgress): void {}
  cell(ended: EndedCell): void {
    this.pace.add(ended.planned.label, ended.seconds);
  }
  end(): void {}

  protected left({ waiting, processes }: EndedCell): string {
    const seconds = this.pace.secondsLeft(waiting, processes);
    return seconds === undefined || seconds === 0 ? '' : `  ${formatSeconds(seconds)} left`;
  }
}

/** A line for each cell. */
class Lines extends Quiet {
  override note(text: string): void {
    this.out.write(`sgool: ${oneLine(text)}\n`);
  }

  override cell(ended: EndedCell): void {
    super.cell(ended);
    const { planned, counts } = ended;
    const place = `${counts.done + counts.failed}/${counts.total}  ${planned.suite} ${planned.prompt}  ${planned.label}`;
    this.note(`${place}  ${outcome(ended)}${this.left(ended)}`);
  }
}

/** One bar that moves. Failures and notes stay above it. */
class Bar extends Quiet {
  #drawnAt = 0;
  #isOpen = false;
  /** How far the run is, as it stands before the work. */
  #place = `[${'.'.repeat(BAR_CELLS)}]`;

  override note(text: string): void {
    this.end();
    this.out.write(`sgool: ${oneLine(text)}\n`);
  }

  override warn(text: string): void {
    this.end();
    super.warn(text);
  }

  override step(planned: PlannedCell, { iteration, iterations, step, steps }: StepProgress): void {
    const now = Date.now();
    if (now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.draw(
      `${planned.suite} ${planned.prompt}, ${planned.label}, ${iteration}/${iterations}, step ${step}/${steps}`,
    );
  }

  override cell(ended: EndedCell): void {
    super.cell(ended);
    const { planned, record, counts } = ended;
    const count = counts.done + counts.failed;
    const share = Math.floor((count / counts.total) * BAR_CELLS);
    const bar = '#'.repeat(share) + '.'.repeat(BAR_CELLS - share);
    this.#place = `${count}/${counts.total} [${bar}]${this.left(ended)}`;
    if (record.status === 'failed' || record.notes !== undefined)
      this.note(`${planned.suite} ${planned.prompt}, ${planned.label}: ${outcome(ended)}`);
    this.draw(`${planned.suite} ${planned.prompt}, ${planned.label}`);
  }

  override end(): void {
    if (this.#isOpen) this.out.clearLine();
    this.#isOpen = false;
  }

  private draw(work: string): void {
    this.out.clearLine();
    this.out.write(printable(`${this.#place}  ${work}`).slice(0, (this.out.columns ?? 80) - 1));
    this.#isOpen = true;
  }
}

const SHOWN = ['judge', 'clip_b', 'clip_a', 'hps-v2.1'] as const;

/** How a cell ended: some of its scores, or why not. */
function outcome({ record, isScoredOnly }: EndedCell): string {
  if (record.status === 'failed') return `failed: ${oneLine(record.error)}`;
  const { scores, notes } = record;
  if (notes !== undefined) return `not scored: ${notes.map(oneLine).join('; ')}`;
  const shown = SHOWN.flatMap((name) =>
    typeof scores[name] === 'number' ? [`${name} ${scores[name].toFixed(3)}`] : [],
  );
  return `${isScoredOnly ? 'scored again: ' : ''}${shown.join(', ')}`;
}
