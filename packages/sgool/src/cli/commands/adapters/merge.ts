/** @file `sgool adapters merge <file>`: a whole model in the diffusers layout, with the adapter in its weights. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { openAdapter } from '../../../weights/open/adapter.ts';
import { resolveModel } from '../../../weights/open/locate-model.ts';
import { mergeAdapter } from '../../../weights/open/merge-adapter.ts';
import type { Host } from '../../host.ts';
import { shownPath } from '../../terminal/format.ts';

export function configureMergeAdapter(parent: Command, host: Host): void {
  parent
    .command('merge')
    .description('write a whole model in the diffusers layout, with the adapter in its weights')
    .argument('<file>', 'adapter that sgool finetune wrote')
    .option('--model <name>', 'model that it was made from (default: the one that it names)')
    .requiredOption('--out <folder>', 'folder for the model, which must not be there yet')
    .action((file: string, flags: { model?: string; out: string }) => merge(file, flags, host));
}

async function merge(
  file: string,
  { model, out }: { model?: string; out: string },
  host: Host,
): Promise<void> {
  const adapter = await openAdapter(resolve(host.cwd, file));
  const { dir } = resolveModel(model ?? adapter.info.base.model, host.env);
  const folder = resolve(host.cwd, out);
  await mergeAdapter(dir, adapter, folder);
  host.stdout.write(`${shownPath(folder, host)}\n`);
}
