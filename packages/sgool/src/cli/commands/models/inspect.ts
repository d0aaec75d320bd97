/** @file `sgool models inspect <model>`: components, shapes and sizes of a model. */
import type { Command } from 'commander';
import { printable } from '../../../errors.ts';
import { DEFAULT_MODEL, resolveModel } from '../../../weights/open/locate-model.ts';
import { openModel } from '../../../weights/open/open-model.ts';
import type { Host } from '../../host.ts';
import { formatBytes, formatCount, formatTable } from '../../terminal/format.ts';
import { inspectModel, type ModelReport, withoutTensors } from './report.ts';

export function configureInspect(parent: Command, host: Host): void {
  parent
    .command('inspect')
    .description('show the components, shapes, parameters and sizes of a model')
    .argument(
      '[model]',
      'model: a name, a folder in the diffusers layout, a .ckpt, .safetensors or .gguf file, or org/name',
      DEFAULT_MODEL,
    )
    .option('--tensors', 'list every tensor with its shape')
    .option('--json', 'print one JSON object on stdout')
    .action((model: string, options: { tensors?: boolean; json?: boolean }) => inspect(model, options, host));
}

async function inspect(
  model: string,
  { tensors = false, json = false }: { tensors?: boolean; json?: boolean },
  { stdout, env }: Host,
): Promise<void> {
  const { name, dir } = resolveModel(model, env);
  const report = inspectModel(name, await openModel(dir));
  if (json) {
    stdout.write(`${JSON.stringify(tensors ? report : withoutTensors(report))}\n`);
    return;
  }
  stdout.write(`${describe(report, tensors)}\n`);
}

function describe(report: ModelReport, withTensors: boolean): string {
  const { name, dir, pipeline, resolution, latent, inputChannels, predictionType } = report;
  const { parameters, bytes, components, notes } = report;
  const facts = [
    ['model', name],
    ['folder', dir],
    ['pipeline', pipeline ?? 'not stated'],
    ['image', resolution === undefined ? 'not stated' : `${resolution.width} x ${resolution.height}`],
    ['latent', latent === undefined ? 'not stated' : latent.join(' x ')],
    ...(inputChannels === undefined
      ? []
      : [['input', `${inputChannels} channels: latent, mask, masked image`]]),
    ['prediction', predictionType ?? 'not stated'],
    ['parameters', `${formatCount(parameters)} in ${formatBytes(bytes)}`],
  ];
  const rows = components.map((component) => [
    component.name,
    component.className ?? '',
    `${component.tensors.length} tensors`,
    `${formatCount(component.parameters)} parameters`,
    formatBytes(component.bytes),
    component.dtypes.join(', '),
    component.shape,
  ]);
  const sections = [formatTable(facts), formatTable(rows)];
  if (notes.length > 0) sections.push(notes.map((note) => `note: ${printable(note)}`).join('\n'));
  if (withTensors) {
    for (const component of components) {
      const lines = component.tensors.map(({ name: tensor, dtype, shape }) => [
        `  ${printable(tensor)}`,
        dtype,
        `[${shape.join(', ')}]`,
      ]);
      sections.push(`${component.name}\n${formatTable(lines)}`);
    }
  }
  return sections.join('\n\n');
}
