/** @file `sgool adapters inspect <file>`: what made an adapter, from which model, and how much it changes. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { printable } from '../../../errors.ts';
import { sum } from '../../../numbers.ts';
import { float32Of } from '../../../weights/formats/tensor-views.ts';
import { openAdapter } from '../../../weights/open/adapter.ts';
import type { Host } from '../../host.ts';
import { formatCount, formatTable } from '../../terminal/format.ts';

export function configureInspectAdapter(parent: Command, host: Host): void {
  parent
    .command('inspect')
    .description('show what made an adapter, from which model, and how much it changes')
    .argument('<file>', 'adapter that sgool finetune wrote')
    .option('--json', 'print one JSON object on stdout')
    .action((file: string, { json = false }: { json?: boolean }) => inspect(file, json, host));
}

async function inspect(file: string, json: boolean, { cwd, stdout }: Host): Promise<void> {
  const { info, lora } = await openAdapter(resolve(cwd, file));
  const weights = [...(lora.changes.unet ?? [])].map(([module, { parts }]) => {
    const values = parts.diff === undefined ? new Float32Array() : float32Of(parts.diff);
    return {
      module,
      shape: parts.diff?.shape ?? [],
      norm: Math.sqrt(sum(values.map((value) => value * value))),
    };
  });
  if (json) {
    stdout.write(`${JSON.stringify({ ...info, changes: weights })}\n`);
    return;
  }
  const { settings, concepts, ...task } = info.task as Readonly<Record<string, unknown>>;
  const facts: [string, unknown][] = [
    ['method', info.method],
    ['model', info.base.model],
    ['weights', `${info.base.fingerprint.slice(0, 12)} (fingerprint of those that were trained)`],
    ['steps', info.step],
    ['changes', `${weights.length} of ${info.base.weights.length} weights`],
    ['parameters', formatCount(sum(weights.map(({ shape }) => shape.reduce((all, side) => all * side, 1))))],
    ...Object.entries(task),
    ...(Array.isArray(concepts) ? [['concepts', concepts.length] as [string, unknown]] : []),
    ...Object.entries((settings ?? {}) as Record<string, unknown>),
    ['sgool', info.sgool],
  ];
  const shown = (value: unknown) => printable(typeof value === 'string' ? value : JSON.stringify(value));
  const changes = weights.map(({ module, shape, norm }) => [
    module,
    `[${shape.join(', ')}]`,
    norm.toPrecision(4),
  ]);
  const tables = [
    facts.map(([name, value]) => [name, shown(value)]),
    [['module', 'shape', 'norm of the change'], ...changes],
  ];
  stdout.write(`${tables.map((table) => formatTable(table)).join('\n\n')}\n`);
}
