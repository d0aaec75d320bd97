/** @file `sgool finetune`: one fine-tuning per file of `finetune/`. */
import type { Command } from 'commander';
import type { Host } from '../host.ts';
import { configureSeparateEnhance } from './finetune/separate-enhance.ts';

export function configure(command: Command, host: Host): void {
  command.enablePositionalOptions();
  configureSeparateEnhance(command, host);
}
