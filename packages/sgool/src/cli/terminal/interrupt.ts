/** @file Ctrl-C: the first one stops the run, the second one ends the process. */
import { INTERRUPTED } from '../exit-codes.ts';
import type { Host } from '../host.ts';

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Stops listening. */
  dispose(): void;
}

/** @param onFirst called at the first Ctrl-C */
export function watchInterrupts(host: Host, onFirst: () => void): Interrupt {
  const controller = new AbortController();
  const dispose = host.onInterrupt(() => {
    if (controller.signal.aborted) {
      host.exit(INTERRUPTED);
      return;
    }
    onFirst();
    controller.abort(new Error('stopped'));
  });
  return { signal: controller.signal, dispose };
}
