/** @file Progress of a training: a bar on a terminal, a line at intervals elsewhere. */

import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  note(text: string): void;
  step(stage: string, step: number, steps: number, metrics: Readonly<Record<string, number>>): void;
  validated(stage: string, step: number, metrics: Readonly<Record<string, number>>): void;
  stop(): void;
}

function show(metrics: Readonly<Record<string, number>>): string {
  return Object.entries(metrics)
    .map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
    .join('  ');
}

/** Progress on stderr: a bar on a terminal, otherwise one line every `everySeconds`. */
export function createProgress(everySeconds = 30): Progress {
  const stream = process.stderr;
  const line = (text: string) => stream.write(`${text}\n`);
  if (!stream.isTTY) {
    let last = 0;
    let first: { step: number; at: number } | undefined;
    return {
      note: line,
      step(stage, step, steps, metrics) {
        const now = Date.now();
        first ??= { step: step - 1, at: now };
        if (now - last < everySeconds * 1000) return;
        last = now;
        const each = (now - first.at) / Math.max(1, step - first.step) / 1000;
        const left = Math.round((each * (steps - step)) / 60);
        line(`${stage} ${step}/${steps}  ${each.toFixed(3)} s/step  ${left} min left  ${show(metrics)}`);
      },
      validated: (stage, step, metrics) => line(`${stage} ${step} held out: ${show(metrics)}`),
      stop() {},
    };
  }
  let bar: SingleBar | undefined;
  return {
    note: (text) => (bar ? bar.update({ figures: text }) : line(text)),
    step(stage, step, steps, metrics) {
      if (!bar) {
        bar = new SingleBar(
          {
            stream,
            format: `${stage} {bar} {value}/{total}  {eta_formatted} left  {figures}`,
            etaBuffer: 50,
          },
          Presets.shades_classic,
        );
        bar.start(steps, step, { figures: '' });
      }
      bar.update(step, { figures: show(metrics) });
    },
    validated: (stage, step, metrics) => {
      bar?.stop();
      bar = undefined;
      line(`${stage} ${step} held out: ${show(metrics)}`);
    },
    stop: () => bar?.stop(),
  };
}
