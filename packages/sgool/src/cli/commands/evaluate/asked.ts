/** @file What `sgool evaluate` is asked for: its flags, read. */
import { join, resolve } from 'node:path';
import { UserError } from '../../../errors.ts';
import type { EvaluatedSuite } from '../../../evaluate/cells/manifest.ts';
import { scorerText, type WantedScorer } from '../../../evaluate/scores/open-scorers.ts';
import { choosePrompts, type Shard } from '../../../evaluate/setup/choose-prompts.ts';
import { evaluatedMethod, evaluatedSuite } from '../../../evaluate/setup/manifest-of.ts';
import { checkLabels, namedMethods, type WantedMethod } from '../../../evaluate/setup/variants.ts';
import { openSuite } from '../../../evaluate/suites/open-suite.ts';
import { METHODS, parseRequest } from '../../../methods/index.ts';
import type { Pipeline } from '../../../pipeline/pipeline.ts';
import { laterSeed, readSeed, SEED_RULE, type Seed } from '../../../random/seed.ts';
import { PRESETS } from '../../../request/request.ts';
import { SETTINGS, type SettingKey } from '../../../request/settings/index.ts';
import type { Host } from '../../host.ts';
import { anyImageOptions } from '../../options/image-options.ts';
import { type ModelValues, typedParts } from '../../options/model-options.ts';
import { type OptionValues, refuseTwice, schemaOption } from '../../options/option.ts';
import { kebabName } from '../../options/other-names.ts';
import { wholeNumber } from '../../options/whole-number.ts';
import { quoteArgument } from '../../terminal/format.ts';
import { fromCommandLine, usageError } from '../../usage-error.ts';
import type { QueueFlags } from './on-queue.ts';

/** The methods of an evaluation that names none. */
export const DEFAULT_METHODS = 'sd,best-of,sgool';

/** Most prompts of a suite, and most seeds of a prompt. */
const MOST = 1_000_000;

/** The options of the command. */
export interface RunFlags extends OptionValues, QueueFlags {
  readonly suite?: string;
  readonly methods?: string;
  readonly variant?: readonly WantedMethod[];
  readonly budget?: string;
  readonly reference?: string;
  readonly seeds?: string;
  readonly seed?: string;
  readonly scorer?: readonly WantedScorer[];
  readonly limit?: string;
  readonly only?: string;
  readonly shard?: Shard;
  readonly out?: string;
  readonly equalCost?: boolean;
  readonly report?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/**
 * The methods, each with the budget: but not those that have no such setting, whose cost is what it is, nor variants that say one.
 *
 * @throws UserError where none of them can have it
 */
function withBudget(wanted: readonly WantedMethod[], budget: string | undefined): readonly WantedMethod[] {
  if (budget === undefined) return wanted;
  settingValue('--budget', 'budget', budget);
  const takes = ({ method }: WantedMethod) =>
    METHODS.some(({ name, settings }) => name === method && Object.hasOwn(settings, 'budget'));
  if (!wanted.some(takes)) throw usageError('--budget: none of the methods has iterations; leave it out');
  return wanted.map((one) => (takes(one) ? { ...one, settings: { budget, ...one.settings } } : one));
}

/** What a command asks for, before any model is opened. */
export interface Asked {
  readonly folder: string;
  readonly wanted: readonly WantedMethod[];
  readonly reference: string;
  readonly suites: readonly EvaluatedSuite[];
  readonly seeds: readonly Seed[];
}

/** What is said of a queue, by key. */
const QUEUE_ONLY = { queueName: 'queue-name', results: 'results', detach: 'detach' } as const;

/** @throws UserError where something is said of a queue, and there is none */
function refuseWithoutQueue(flags: RunFlags): void {
  const typed = Object.entries(QUEUE_ONLY).find(([key]) => flags[key] !== undefined);
  if (flags.queue !== undefined || typed === undefined) return;
  throw usageError(`--${typed[1]}: belongs to a queue, and there is none; give --queue too, or leave it out`);
}

/** @throws UserError in one line, before anything is opened */
export async function askedFor(flags: RunFlags, host: Host): Promise<Asked> {
  refuseWithoutQueue(flags);
  const { suite: suiteNames, methods, variant: variants = [] } = flags;
  if (suiteNames === undefined) throw usageError('evaluate: needs --suite; see sgool suites list');
  // Variants alone are the whole table.
  const named = methods ?? (variants.length > 0 ? undefined : DEFAULT_METHODS);
  const wanted = withBudget([...(named === undefined ? [] : namedMethods(named)), ...variants], flags.budget);
  checkLabels(wanted);
  const reference = flags.reference ?? wanted[0].label;
  if (!wanted.some(({ label }) => label === reference)) {
    throw usageError(
      `--reference: is none of the methods, got ${reference || 'nothing'}; choose from ${wanted.map(({ label }) => label).join(', ')}`,
    );
  }
  const limit = flags.limit === undefined ? undefined : wholeNumber('--limit', flags.limit, 1, MOST);
  const seedCount = wholeNumber('--seeds', flags.seeds ?? '1', 1, MOST);
  const first = readSeed(flags.seed ?? 0);
  if (first === undefined || first === -1) {
    throw usageError(`--seed: ${SEED_RULE.replace('-1 (random) or ', '')}, got ${flags.seed || 'nothing'}`);
  }
  const only = flags.only === undefined ? [] : flags.only.split(',').map((name) => name.trim());
  const names = [...new Set(suiteNames.split(',').map((name) => name.trim()))];
  const suites = await Promise.all(names.map((name) => openSuite(name, host.cwd, host.env)));
  const out = flags.out ?? join('sgool-output', `evaluate-${suites.map(({ name }) => name).join('-')}`);
  return {
    folder: resolve(host.cwd, out),
    wanted,
    reference,
    suites: suites.map((suite) => evaluatedSuite(suite, choosePrompts(suite, only, limit))),
    seeds: Array.from({ length: seedCount }, (_, i) => laterSeed(first, i)),
  };
}

/**
 * A method with the settings that it will run with. Prompts are read as they are: `(red)` is not a weight. A model with motion makes clips, as
 * long as it was trained with unless the method says otherwise.
 */
export function resolved(
  { label, method: name, settings }: WantedMethod,
  method: Parameters<typeof evaluatedMethod>[1],
  pipeline: Pipeline,
) {
  const { motion } = pipeline.model;
  const given: Record<string, unknown> = {
    promptSyntax: 'plain',
    ...(motion === undefined ? {} : { frames: motion.frames }),
  };
  const own = Object.entries(settings).map(([key, text]) => {
    const name = `--variant ${label}: ${key}`;
    return { name, values: settingValue(name, key, text) };
  });
  refuseTwice(own);
  for (const { values } of own) Object.assign(given, values);
  try {
    const request = parseRequest({ prompt: 'a prompt', method: name, model: pipeline.model.name, ...given });
    return evaluatedMethod(label, method, pipeline, given, request);
  } catch (error) {
    throw error instanceof UserError ? usageError(`method ${label}: ${error.message}`) : error;
  }
}

/**
 * The values of a setting, by its key or by the name of its option: `guidanceScale`, `guidance`; `size` sets two.
 *
 * @param who names it in messages
 */
function settingValue(who: string, key: string, text: string): OptionValues {
  if (key === 'preset') {
    if ((PRESETS as readonly string[]).includes(text)) return { preset: text };
    throw usageError(`${who}: not usable, got ${text}; choose one of ${PRESETS.join(', ')}`);
  }
  const isSetting = (name: string) => Object.hasOwn(SETTINGS, name);
  const option = isSetting(key)
    ? schemaOption(key, SETTINGS[key as SettingKey], '')
    : anyImageOptions().find(({ flag, keys }) => flag === kebabName(key) && keys.every(isSetting));
  if (option === undefined) throw usageError(`${who}: there is no such setting; see sgool methods`);
  return fromCommandLine(() => option.parse(text, who));
}

/** The command, for the manifest. */
export function typedCommand(flags: RunFlags, values: ModelValues): string {
  const texts: [string, string | undefined][] = [
    ['suite', flags.suite],
    ['methods', flags.methods],
    ['budget', flags.budget],
    ...(flags.variant ?? []).map(({ label, method, settings }): [string, string] => [
      'variant',
      `${label}: ${[method, ...Object.entries(settings).map(([key, value]) => `${key}=${value}`)].join(' ')}`,
    ]),
    ['model', values.model],
    ['device', values.device],
    ['precision', values.precision],
    ['seeds', flags.seeds],
    ['seed', flags.seed],
    ['limit', flags.limit],
    ['only', flags.only],
    ['scorer', flags.scorer?.map(scorerText).join(',')],
    ['reference', flags.reference],
    ['out', flags.out],
    ['queue-name', flags.queueName],
    ['results', flags.results],
  ];
  const given = texts.flatMap(([name, text]) =>
    text === undefined ? [] : [`--${name} ${quoteArgument(text)}`],
  );
  given.push(...typedParts(values));
  const alone = flags.equalCost === false ? ' --no-equal-cost' : '';
  // Without its address, which may hold a password.
  const queue = flags.queue === undefined ? '' : ' --queue';
  return `sgool evaluate ${given.join(' ')}${alone}${queue}`;
}
