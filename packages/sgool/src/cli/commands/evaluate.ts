/** @file `sgool evaluate`: runs methods over prompt suites; its subcommands have files of their own in `evaluate/`. */
import type { Command } from 'commander';
import type { Host } from '../host.ts';
import { configureMerge } from './evaluate/merge.ts';
import { configureRebuild } from './evaluate/rebuild.ts';
import { configureRetry } from './evaluate/retry.ts';
import { configureRun } from './evaluate/run.ts';
import { configureStatus } from './evaluate/status.ts';

export function configure(command: Command, host: Host): void {
  command.enablePositionalOptions();
  configureRun(command, host);
  for (const configureOne of [configureStatus, configureRetry, configureRebuild, configureMerge])
    configureOne(command, host);
}
