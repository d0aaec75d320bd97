/** @file Progress of a fine-tuning on stderr: on a terminal a line that is redrawn, elsewhere one JSON object per step. */
import { printable } from '../../errors.ts';
import type { FineTuneStep } from '../../finetune/separate-enhance.ts';
import { formatSeconds } from './format.ts';
import type { Terminal } from './terminal.ts';

export interface TrainingProgress {
  /** The current activity, outside of steps. */
  status(text: string): void;
  step(step: FineTuneStep): void;
  /** A line that stays. */
  note(text: string): void;
  /** Clears the unfinished line. */
  end(): void;
}

const BAR_CELLS = 20;
/** Shortest time between two updates of the line. */
const REDRAW_MS = 80;
/** Last steps that the time left is computed from. */
const PACE_STEPS = 20;

/** @param quiet show nothing */
export function trainingProgress(stderr: Terminal, quiet: boolean): TrainingProgress {
  const recent: number[] = [];
  let drawnAt = 0;
  let isOpen = false;
  const end = () => {
    if (isOpen) stderr.clearLine();
    isOpen = false;
  };
  const draw = (text: string) => {
    if (quiet || !stderr.isTTY) return;
    stderr.clearLine();
    stderr.write(printable(text).slice(0, (stderr.columns ?? 80) - 1));
    isOpen = true;
  };
  /** Seconds left after a step, by the last ones. */
  const left = ({ step, steps, seconds }: FineTuneStep): number => {
    recent.push(seconds.step);
    if (recent.length > PACE_STEPS) recent.shift();
    return ((steps - step) * recent.reduce((sum, each) => sum + each, 0)) / recent.length;
  };
  return {
    end,
    status: draw,
    note(text) {
      end();
      if (!quiet) stderr.write(`sgool: ${text}\n`);
    },
    step(done) {
      const { step, steps, losses, evaluations } = done;
      const secondsLeft = left(done);
      if (!quiet && !stderr.isTTY) {
        const line = { step, steps, losses, evaluations, secondsLeft: Number(secondsLeft.toFixed(3)) };
        stderr.write(`${JSON.stringify(line)}\n`);
        return;
      }
      const now = Date.now();
      if (now - drawnAt < REDRAW_MS && step < steps) return;
      drawnAt = now;
      const cells = Math.round((step / steps) * BAR_CELLS);
      const bar = '#'.repeat(cells) + '.'.repeat(BAR_CELLS - cells);
      const { total, separate, enhance, norm } = losses;
      const parts = `separate ${separate.toFixed(4)}, enhance ${enhance.toFixed(4)}${norm === undefined ? '' : `, norm ${norm.toFixed(5)}`}`;
      draw(
        `${step}/${steps} [${bar}] loss ${total.toFixed(4)} (${parts}), ${formatSeconds(secondsLeft)} left`,
      );
    },
  };
}
