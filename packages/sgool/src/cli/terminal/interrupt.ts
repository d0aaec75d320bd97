/** @file Ctrl-C and requests to end: the first one stops the run, the second one ends the process at once. */
import { STOPPED_BY } from '../exit-codes.ts';
import type { EndSignal, Host } from '../host.ts';

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Exit code for what stopped the run. */
  readonly exitCode: number;
  /** Stops listening. */
  dispose(): void;
}

export interface InterruptListener {
  /** At the first signal. */
  onFirst(signal: EndSignal): void;
  /** Right before the process ends: at the second signal, or when a run that was asked to end has not done so in time. */
  onForced(): void;
}

/**
 * How long a run may take to end after SIGTERM or SIGHUP: those who send them kill after ten seconds. A person at a terminal waits,
 * or presses Ctrl-C again.
 */
const GRACE_MS = 7000;

export function watchInterrupts(host: Host, { onFirst, onForced }: InterruptListener): Interrupt {
  const controller = new AbortController();
  let exitCode: number = STOPPED_BY.SIGINT;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = () => {
    onForced();
    host.exit(exitCode);
  };
  const stopListening = host.onInterrupt((signal) => {
    if (controller.signal.aborted) {
      end();
      return;
    }
    exitCode = STOPPED_BY[signal];
    if (signal !== 'SIGINT') timer = setTimeout(end, GRACE_MS);
    onFirst(signal);
    controller.abort(new Error('stopped'));
  });
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    dispose() {
      clearTimeout(timer);
      stopListening();
    },
  };
}
