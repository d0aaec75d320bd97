/** @file A part of the experiment: one `sgool evaluate`, which goes on where it was stopped, and what it found. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { UserError } from 'sgool';
import type { Evaluation } from 'sgool/evaluate';
import { readEvaluation } from 'sgool/node';
import { SGOOL_PROGRAM } from '../../paths.ts';
import type { Scored } from './halving.ts';
import type { Contender, Given } from './plan.ts';

/** A column of an evaluation. */
export interface Column {
  readonly label: string;
  readonly method: Contender['method'];
  readonly settings: Given;
}

export interface Stage {
  /** Name of its folder. */
  readonly name: string;
  readonly suite: 'toybox' | 'toybox-tuning';
  /** Ids of the prompts. */
  readonly prompts: readonly string[];
  readonly seeds: number;
  /** The first one is the reference. */
  readonly columns: readonly Column[];
  readonly report: boolean;
}

/** The words of a stage's command behind `sgool evaluate`. */
export function stageWords(
  { name, suite, prompts, seeds, columns, report }: Stage,
  folder: string,
): string[] {
  return [
    ...['--suite', suite, '--only', prompts.join(','), '--seeds', String(seeds), '--no-equal-cost'],
    ...columns.flatMap(({ label, method, settings }) => [
      '--variant',
      `${label}: ${[method, ...Object.entries(settings).map(([key, value]) => `${key}=${value}`)].join(' ')}`,
    ]),
    ...(report ? [] : ['--no-report']),
    ...['--quiet', '--json', '--out', path.join(folder, name)],
  ];
}

/** Makes what is missing of a stage, and reads all of it. @throws UserError where it fails; the signal's reason */
export type RunStage = (stage: Stage, signal: AbortSignal) => Promise<Evaluation>;

/**
 * Stages as processes of their own, with the priority of this one, each in a folder of its name. One of which some cells failed
 * counts: the others are compared.
 */
export function stagesIn(folder: string): RunStage {
  return async (stage, signal) => {
    await evaluate(stageWords(stage, folder), signal);
    return readEvaluation(path.join(folder, stage.name));
  };
}

function evaluate(words: readonly string[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SGOOL_PROGRAM, 'evaluate', ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { out: '', error: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.error += text;
    });
    const stop = () => child.kill('SIGINT');
    signal.addEventListener('abort', stop, { once: true });
    child.on('error', reject);
    child.on('close', (status) => {
      signal.removeEventListener('abort', stop);
      const last = said.error.trimEnd().split('\n').at(-1) || `sgool evaluate ended with ${status}`;
      if (signal.aborted) reject(signal.reason);
      else if (isWhole(said.out)) resolve();
      else reject(new UserError(last.replace(/^sgool: /, '')));
    });
  });
}

/** Whether every cell was made or failed, by the JSON that the command prints at its end. */
function isWhole(text: string): boolean {
  if (text.trim() === '') return false;
  const { waiting, running } = JSON.parse(text) as { waiting: number; running: number };
  return waiting + running === 0;
}

/** The finished images of a column, by prompt and seed. */
export function scoredImages({ cells }: Evaluation, label: string): Scored[] {
  return cells.flatMap((cell) =>
    cell.label === label && cell.record?.status === 'done'
      ? [{ key: `${cell.prompt} ${cell.seed}`, scores: cell.record.scores }]
      : [],
  );
}
