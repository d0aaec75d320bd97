/** @file `sgool adapters`: its subcommands have files of their own in `adapters/`. */
import type { Command } from 'commander';
import type { Host } from '../host.ts';
import { configureInspectAdapter } from './adapters/inspect.ts';
import { configureMergeAdapter } from './adapters/merge.ts';

const NOTES = `
Examples:
  sgool adapters inspect adapter.safetensors
  sgool adapters merge adapter.safetensors --out my-model`;

export function configure(command: Command, host: Host): void {
  command.addHelpText('after', NOTES);
  configureInspectAdapter(command, host);
  configureMergeAdapter(command, host);
}
