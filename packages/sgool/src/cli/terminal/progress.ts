/** @file Progress on stderr: on a terminal a line for each iteration and a bar while it runs, elsewhere lines of JSON. */

import { printable } from '../../errors.ts';
import type { Iteration, StepProgress } from '../../methods/run/iteration.ts';
import { MODEL_CLIP } from '../../request/wanted-scorer.ts';
import { formatSeconds } from './format.ts';
import type { Terminal } from './terminal.ts';

export interface Progress {
  /** Names the image of iteration 0, where the model decides what it is. */
  firstIs(name: string): void;
  /** The current activity, outside of iterations. */
  status(text: string): void;
  step(progress: StepProgress): void;
  iteration(iteration: Iteration): void;
  /** A line that stays. */
  note(text: string): void;
  /** A warning, shown even if progress is not. */
  warn(text: string): void;
  /** Clears the unfinished line. */
  end(): void;
}

/** Of one length, so that the numbers after them do not move. */
const PHASES = {
  encode: 'encoding ',
  invert: 'inverting',
  denoise: 'denoising',
  decode: 'decoding ',
  gradient: 'gradient ',
} as const;
/** Shortest time between two updates of the bar. */
const REDRAW_MS = 80;
const BAR_CELLS = 20;

/** Number of last iterations that count; the first ones compile programs. */
const PACE_ITERATIONS = 5;

/** Time per iteration, from the last ones, and the time left. */
class Pace {
  private recent: number[] = [];

  /** Iteration 0 has no backward pass and is quicker than the rest: it counts only while it is alone. */
  add({ iteration, seconds }: Iteration): void {
    if (iteration === 1) this.recent = [];
    this.recent.push(seconds.iteration);
    if (this.recent.length > PACE_ITERATIONS) this.recent.shift();
  }

  get secondsPerIteration(): number {
    return this.recent.reduce((sum, seconds) => sum + seconds, 0) / this.recent.length;
  }

  secondsLeft(iteration: number, iterations: number): number | undefined {
    if (iteration >= iterations) return 0;
    return iteration === 0 ? undefined : (iterations - iteration) * this.secondsPerIteration;
  }
}

/** @param first name of the image of iteration 0 */
export function createProgress(
  stderr: Terminal,
  { quiet, first = 'plain image' }: { quiet: boolean; first?: string },
): Progress {
  if (quiet) return new Quiet(stderr);
  return stderr.isTTY ? new TerminalProgress(stderr, first) : new LineProgress(stderr);
}

/** Warnings only. */
class Quiet implements Progress {
  protected readonly out: Terminal;
  constructor(out: Terminal) {
    this.out = out;
  }
  firstIs(_name: string): void {}
  status(_text: string): void {}
  step(_progress: StepProgress): void {}
  iteration(_iteration: Iteration): void {}
  note(_text: string): void {}
  warn(text: string): void {
    this.out.write(`sgool: warning: ${text}\n`);
  }
  end(): void {}
}

/** One JSON object per iteration; lines that begin with `sgool:` are for people. */
class LineProgress extends Quiet {
  private readonly pace = new Pace();
  private before: Iteration['clip'] | undefined;

  override iteration(iteration: Iteration): void {
    this.pace.add(iteration);
    this.before ??= iteration.clip;
    const line = {
      iteration: iteration.iteration,
      iterations: iteration.iterations,
      ...(iteration.loss === undefined ? {} : { loss: iteration.loss }),
      clip: { before: this.before, now: iteration.clip },
      ...(iteration.scores === undefined ? {} : { scores: iteration.scores }),
      ...(iteration.overFrames === undefined ? {} : { overFrames: iteration.overFrames }),
      best: iteration.best,
      secondsPerIteration: rounded(this.pace.secondsPerIteration),
      secondsLeft: rounded(this.pace.secondsLeft(iteration.iteration, iteration.iterations)),
      evaluations: iteration.evaluations,
    };
    this.out.write(`${JSON.stringify(line)}\n`);
  }

  override note(text: string): void {
    this.out.write(`sgool: ${text}\n`);
  }
}

const rounded = (seconds: number | undefined) => (seconds === undefined ? null : Number(seconds.toFixed(3)));

class TerminalProgress extends Quiet {
  private readonly pace = new Pace();
  private before: Iteration['clip'] | undefined;
  private drawnAt = 0;
  private isOpen = false;
  private first: string;

  constructor(out: Terminal, first: string) {
    super(out);
    this.first = first;
  }

  override firstIs(name: string): void {
    this.first = name;
  }

  override status(text: string): void {
    this.draw(text);
  }

  override step({ iteration, iterations, phase, step, steps }: StepProgress): void {
    const now = Date.now();
    if (now - this.drawnAt < REDRAW_MS) return;
    this.drawnAt = now;
    const done = Math.round((step / steps) * BAR_CELLS);
    const bar = '#'.repeat(done) + '.'.repeat(BAR_CELLS - done);
    const left = this.pace.secondsLeft(iteration - 1, iterations);
    const rest = left === undefined || iteration === 0 ? '' : `, ${formatSeconds(left)} left`;
    this.draw(`${iteration}/${iterations} [${bar}] ${PHASES[phase]} ${step}/${steps}${rest}`);
  }

  override iteration(iteration: Iteration): void {
    this.pace.add(iteration);
    this.before ??= iteration.clip;
    this.line(iterationLine(iteration, this.before, this.pace, this.first));
  }

  override note(text: string): void {
    this.line(text);
  }

  override warn(text: string): void {
    this.line(`sgool: warning: ${text}`);
  }

  override end(): void {
    if (this.isOpen) this.out.clearLine();
    this.isOpen = false;
  }

  private draw(text: string): void {
    this.out.clearLine();
    this.out.write(printable(text).slice(0, (this.out.columns ?? 80) - 1));
    this.isOpen = true;
  }

  private line(text: string): void {
    this.end();
    this.out.write(`${text}\n`);
  }
}

const score = (value: number | undefined) => (value === undefined ? '-' : value.toFixed(2));

function iterationLine(
  { iteration, iterations, loss, clip, overFrames, scores = {}, best, seconds }: Iteration,
  before: Iteration['clip'],
  pace: Pace,
  first: string,
): string {
  const columns = [`${String(iteration).padStart(String(iterations).length)}/${iterations}`];
  if (loss !== undefined) {
    const parts = (['whole', 'cutouts', 'regions'] as const).flatMap((part) =>
      loss[part] === undefined ? [] : [`${part} ${loss[part].toFixed(4)}`],
    );
    columns.push(`loss ${loss.total.toFixed(4)}${parts.length > 0 ? ` (${parts.join(', ')})` : ''}`);
  }
  if (clip.A !== undefined) {
    columns.push(iteration === 0 ? `CLIP ${score(clip.A)}` : `CLIP ${score(before.A)} -> ${score(clip.A)}`);
  }
  // The score of the model's CLIP is there already.
  for (const [name, value] of Object.entries(scores)) {
    if (name !== MODEL_CLIP) columns.push(`${name} ${value.toPrecision(4)}`);
  }
  if (overFrames !== undefined) {
    columns.push(`least ${score(overFrames.least.A)}  motion ${overFrames.motion.toFixed(3)}`);
  }
  const left = pace.secondsLeft(iteration, iterations);
  columns.push(
    iteration === 0
      ? `${first} in ${formatSeconds(seconds.total)}`
      : `${pace.secondsPerIteration.toFixed(1)} s/it, ${formatSeconds(left ?? 0)} left`,
  );
  return columns.join('  ') + (best && iteration > 0 ? '  *' : '');
}
