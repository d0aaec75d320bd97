/** @file `sgool models pull <id>`: downloads a model from the Hub into the cache that all tools share. */
import type { Command } from 'commander';
import { UserError } from '../../../errors.ts';
import type { PulledModel, PullProgress } from '../../../weights/hub/pull.ts';
import type { Host } from '../../host.ts';
import { formatBytes, formatSeconds } from '../../terminal/format.ts';
import { watchInterrupts } from '../../terminal/interrupt.ts';
import { createProgress, type Progress } from '../../terminal/progress.ts';

interface PullOptions {
  readonly revision?: string;
  readonly variant?: string;
  readonly file?: string[];
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const NOTES = `
This downloads the configurations, the tokenizer and one copy of each weight
(safetensors rather than pickles), but never the safety checker. An interrupted
download continues where it stopped, and every file is checked before it gets
its final name. It uses the cache of diffusers and transformers:
HF_HUB_CACHE, HF_HOME, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE work as they do
there.

Examples:
  sgool models pull CompVis/stable-diffusion-v1-4 --variant fp16
  sgool models pull openai/clip-vit-base-patch32 --revision main
  sgool models pull xswu/HPSv2 --file HPS_v2.1_compressed.pt`;

export function configurePull(parent: Command, host: Host): void {
  parent
    .command('pull')
    .description('download a model from the Hugging Face Hub')
    .argument('<id>', 'org/name, or org/name@revision')
    .option('--revision <name>', 'branch, tag or commit (default: main)')
    .option('--variant <name>', 'variant of the weights, for instance fp16 (default: none)')
    .option('--file <path...>', 'exactly these weight files, if a repository holds several models')
    .option('--quiet', 'show no progress')
    .option('--json', 'print one JSON object on stdout instead of the path')
    .addHelpText('after', NOTES)
    .action((id: string, options: PullOptions) => pull(id, options, host));
}

async function pull(
  id: string,
  { revision, variant, file, quiet = false, json = false }: PullOptions,
  host: Host,
): Promise<void> {
  const { pullModel } = await import('../../../weights/hub/pull.ts');
  const progress = createProgress(host.stderr, { quiet });
  const interrupt = watchInterrupts(host, {
    onFirst: () => progress.note('stopping; what has been downloaded is kept'),
    onForced: () => undefined,
  });
  progress.status(`requesting ${id}`);
  let pulled: PulledModel;
  try {
    pulled = await pullModel(id, {
      revision,
      variant,
      files: file,
      env: host.env,
      onProgress: pullReporter(progress),
      signal: interrupt.signal,
    });
  } catch (error) {
    if (!interrupt.signal.aborted || error !== interrupt.signal.reason) throw error;
    throw new UserError(`stopped; the same command continues the download: sgool models pull ${id}`, {
      exitCode: interrupt.exitCode,
    });
  } finally {
    progress.end();
    interrupt.dispose();
  }
  const { offline, downloaded, bytes, commit, dir } = pulled;
  if (offline) progress.note('HF_HUB_OFFLINE is set: this is the model of an earlier pull');
  else if (downloaded === 0) progress.note(`${id} is already downloaded, ${formatBytes(bytes)}`);
  else
    progress.note(
      `downloaded ${formatBytes(downloaded)} of ${formatBytes(bytes)}, commit ${commit.slice(0, 7)}`,
    );
  if (json) host.stdout.write(`${JSON.stringify(pulled)}\n`);
  else host.stdout.data(`${dir}\n`);
}

/** Shortest time between two updates of the bar. */
const REDRAW_MS = 80;
const BAR_CELLS = 20;

/** A bar for all files together, and a line for each file that is done. */
function pullReporter(progress: Progress): (pull: PullProgress) => void {
  const started = performance.now();
  let firstBytes: number | undefined;
  let drawnAt = 0;
  return ({ file, state, fileSize, bytes, totalBytes, filesDone, files }) => {
    firstBytes ??= bytes;
    if (state === 'done') progress.note(`${filesDone}/${files} ${file} (${formatBytes(fileSize)})`);
    const now = performance.now();
    if (now - drawnAt < REDRAW_MS) return;
    drawnAt = now;
    const cells = Math.round((bytes / Math.max(1, totalBytes)) * BAR_CELLS);
    const bar = '#'.repeat(cells) + '.'.repeat(BAR_CELLS - cells);
    const perSecond = (bytes - firstBytes) / Math.max(1e-3, (now - started) / 1000);
    const left = perSecond > 0 ? `, ${formatSeconds((totalBytes - bytes) / perSecond)} left` : '';
    const doing = state === 'waiting' ? `waiting for another download of ${file}` : file;
    progress.status(
      `[${bar}] ${formatBytes(bytes)} of ${formatBytes(totalBytes)}, ${formatBytes(Math.round(perSecond))}/s${left}  ${doing}`,
    );
  };
}
