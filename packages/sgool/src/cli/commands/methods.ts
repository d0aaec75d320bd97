/** @file `sgool methods`: the methods, what each costs, when to take it, and the options that it has. */
import type { Command } from 'commander';
import { UserError } from '../../errors.ts';
import { METHODS } from '../../methods/index.ts';
import type { Iteration } from '../../methods/run/iteration.ts';
import type { Host } from '../host.ts';
import { loadOptionsOf, type SharedValues, sharedOptions, sharedValues } from '../options/model-options.ts';
import type { OptionValues } from '../options/option.ts';
import { formatTable } from '../terminal/format.ts';

const NOTES = `
Costs are evaluations of the network that denoises. With guidance each step takes
two, one for the prompt and one for the negative prompt. One back, for a gradient,
takes about twice as long as one forward. --costs counts them for a model, with the
method's defaults; nothing is computed.

With --json each method lists its settings by their keys (guidanceScale is
--guidance, others are --some-name).

Examples:
  sgool methods
  sgool methods --costs --model ./sd-turbo`;

/** The prompt whose costs are counted: two things, because some methods need them. */
const PROMPT = 'a cat and a boat';

interface MethodsFlags extends OptionValues {
  readonly costs?: boolean;
  readonly json?: boolean;
}

export function configure(command: Command, host: Host): void {
  command.option('--costs', 'count evaluations with the defaults of a model');
  for (const option of sharedOptions()) command.addOption(option);
  command
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action((flags: MethodsFlags) => listMethods(flags, host));
}

async function listMethods(flags: MethodsFlags, host: Host): Promise<void> {
  const { costs = false, json = false } = flags;
  const counted = costs ? await countCosts(sharedValues(flags, host), host) : undefined;
  if (json) {
    const methods = METHODS.map(({ name, summary, cost, useFor, settings }) => ({
      name,
      summary,
      cost,
      useFor,
      ...(counted && { evaluations: counted.get(name) }),
      settings: Object.keys(settings),
    }));
    host.stdout.write(`${JSON.stringify({ methods })}\n`);
    return;
  }
  const blocks = METHODS.map(({ name, summary, cost, useFor }) =>
    formatTable(
      [
        [name, summary],
        ['', `costs ${cost}${counted ? `: ${evaluationsText(counted.get(name))}` : ''}`],
        ['', `for ${useFor}`],
      ].map(([first, second]) => [first.padEnd(LONGEST), second]),
    ),
  );
  host.stdout.write(`${blocks.join('\n')}\n`);
}

const LONGEST = Math.max(...METHODS.map(({ name }) => name.length));

function evaluationsText(evaluations: Iteration['evaluations'] | undefined): string {
  if (evaluations === undefined) return 'not with this model';
  const { forward, pullback } = evaluations;
  return `${forward}${pullback === 0 ? '' : ` + ${pullback} back`}`;
}

/** Evaluations of every method with its defaults. Methods that the model cannot run are left out, in one line each. */
async function countCosts({ model, ...values }: SharedValues, host: Host) {
  const engine = await host.loadEngine();
  const options = loadOptionsOf(values);
  const pipeline = await engine.openPipeline(model, options);
  const counted = new Map<string, Iteration['evaluations']>();
  try {
    for (const { name } of METHODS) {
      try {
        const method = engine.methods[name];
        const { iterations = 0 } = method.defaults(pipeline.model);
        const run = { method, request: { prompt: PROMPT, seed: 0 }, iterations };
        counted.set(name, await engine.countEvaluations(model, options, run));
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        host.stderr.write(`sgool: ${error.message}\n`);
      }
    }
  } finally {
    await pipeline.dispose();
  }
  return counted;
}
