/** @file Ctrl-C: the first one asks a run to stop, the second one ends the process. */
import { INTERRUPTED } from '../exit-codes.ts';
import type { Host } from '../host.ts';

export interface Interrupt {
  readonly signal: AbortSignal;
  /** No longer listens. */
  dispose(): void;
}

/** @param onFirst is called at the first Ctrl-C, to say that the run is about to stop */
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
