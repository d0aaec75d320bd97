/** @file `sgool evaluate`: runs methods over prompt suites; its subcommands have files of their own in `evaluate/`. */
import type { Command } from 'commander';
import type { Host } from '../host.ts';
import { usageError } from '../usage-error.ts';
import { configureMerge } from './evaluate/merge.ts';
import { configureRebuild } from './evaluate/rebuild.ts';
import { configureReport } from './evaluate/report.ts';
import { configureRetry } from './evaluate/retry.ts';
import { configureRun } from './evaluate/run.ts';
import { configureStatus } from './evaluate/status.ts';

export function configure(command: Command, host: Host): void {
  command.enablePositionalOptions();
  configureRun(command, host);
  command.hook('preSubcommand', (run) => {
    const given = run.options.find((option) => run.getOptionValueSource(option.attributeName()) === 'cli');
    if (given === undefined) return;
    throw usageError(
      `evaluate: ${given.long} is an option of a run and comes before a subcommand; the options of a subcommand come after its name`,
    );
  });
  for (const configureOne of [
    configureStatus,
    configureReport,
    configureRetry,
    configureRebuild,
    configureMerge,
  ])
    configureOne(command, host);
}
