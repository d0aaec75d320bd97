/** @file `sgool suites`: the prompt lists that evaluations run. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../../errors.ts';
import { KNOWN_SUITES } from '../../evaluate/suites/known-suites.ts';
import { openSuite } from '../../evaluate/suites/open-suite.ts';
import { OWN_SUITES, type OwnSuiteName, ownSuite } from '../../evaluate/suites/own-suites.ts';
import { fetchSuite } from '../../evaluate/suites/pull-suite.ts';
import {
  findKnown,
  readFiles,
  removeSuite,
  storedSuite,
  storeSuite,
} from '../../evaluate/suites/stored-suites.ts';
import type { Suite } from '../../evaluate/suites/suite.ts';
import { JUDGE_NAMES } from '../../networks/judge/open-judge.ts';
import type { Host } from '../host.ts';
import { formatTable, oneLine } from '../terminal/format.ts';
import { watchInterrupts } from '../terminal/interrupt.ts';
import { usageError } from '../usage-error.ts';

const NOTES = `
Toybox's own prompts come with sgool. The public lists do not: "add" takes a
file that you have, "pull" fetches it from the repository that published it.
Number and hash of the prompts are checked, and a copy is kept in sgool's data
folder. A file of your own needs no command: give its path to sgool evaluate.
It may be .txt (a prompt per line), .csv or .tsv (columns prompt, category, id),
.jsonl or .json; prompts.suite.json beside prompts.csv may say more:
{ "title", "origin", "licence", "format", "judge", "columns": { "prompt", "category" } }.
A judge checks prompts whose truth the file has: ${JUDGE_NAMES.join(' (default) or ')}.

Examples:
  sgool suites list
  sgool suites pull csp
  sgool suites add parti PartiPrompts.tsv
  sgool suites add t2i-compbench T2I-CompBench/examples/dataset
  sgool suites show toybox --category negation`;

export function configure(command: Command, host: Host): void {
  command.addHelpText('after', NOTES);
  command
    .command('list')
    .description('list the suites: which there are, and which are on this machine')
    .option('--json', 'print one JSON object on stdout')
    .action(({ json = false }: { json?: boolean }) => list(json, host));
  command
    .command('show')
    .description('print the prompts of a suite')
    .argument('<suite>', 'name, or a file of prompts')
    .option('--category <name>', 'only this category')
    .option('--json', 'print one JSON object on stdout')
    .action((name: string, options: ShowOptions) => show(name, options, host));
  command
    .command('add')
    .description('check the file of a public list, and keep a copy')
    .argument('<name>', KNOWN_SUITES.map(({ name }) => name).join(', '))
    .argument('<file>', 'the file, or the folder, as its authors publish it')
    .option('--json', 'print one JSON object on stdout')
    .action((name: string, file: string, options: { json?: boolean }) => add(name, file, options, host));
  command
    .command('pull')
    .description('fetch a public list from the repository that published it')
    .argument('<name...>', 'names of lists, or all')
    .option('--json', 'print one JSON object on stdout for each list')
    .action((names: readonly string[], options: { json?: boolean }) => pull(names, options, host));
  command
    .command('remove')
    .description('remove the copy of a public list')
    .argument('<name>', 'name of the list')
    .action((name: string) => remove(name, host));
}

/** One line of the list. */
async function stateOf(name: string, open: () => Promise<Suite | undefined>) {
  try {
    const suite = await open();
    return suite === undefined ? { name, state: 'not added' } : { name, state: 'ready', suite };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { name, state: 'broken', error: error.message };
  }
}

async function list(json: boolean, { stdout, env }: Host): Promise<void> {
  const own = Object.keys(OWN_SUITES).map((name) => stateOf(name, () => ownSuite(name as OwnSuiteName)));
  const known = KNOWN_SUITES.map((one) => stateOf(one.name, () => storedSuite(one, env)));
  const states = await Promise.all([...own, ...known]);
  const titleOf = (name: string) =>
    KNOWN_SUITES.find((one) => one.name === name)?.title ?? OWN_SUITES[name as OwnSuiteName].title;
  const countOf = (name: string) => KNOWN_SUITES.find((one) => one.name === name)?.count;
  if (json) {
    const suites = states.map(({ suite, ...state }) => ({
      ...state,
      title: titleOf(state.name),
      prompts: suite?.prompts.length ?? countOf(state.name),
      ...(suite === undefined ? {} : withoutPrompts(suite)),
    }));
    stdout.write(`${JSON.stringify({ suites })}\n`);
    return;
  }
  const rows = states.map(({ name, state, suite, error }) => [
    name,
    `${suite?.prompts.length ?? countOf(name)} prompts`,
    state,
    error === undefined ? titleOf(name) : oneLine(error),
  ]);
  stdout.write(`${formatTable(rows)}\n`);
  const defects = states.flatMap(
    ({ name, suite }) => suite?.defects.map((defect) => `${name}: ${defect}`) ?? [],
  );
  if (defects.length > 0) stdout.write(`\n${defects.join('\n')}\n`);
}

const withoutPrompts = ({ prompts, ...rest }: Suite) => ({ ...rest, prompts: prompts.length });

interface ShowOptions {
  readonly category?: string;
  readonly json?: boolean;
}

async function show(name: string, { category, json = false }: ShowOptions, host: Host): Promise<void> {
  const suite = await openSuite(name, host.cwd, host.env);
  const prompts = suite.prompts.filter((prompt) => category === undefined || prompt.category === category);
  if (prompts.length === 0) {
    const all = [...new Set(suite.prompts.map((prompt) => prompt.category ?? 'none'))].join(', ');
    throw usageError(`--category: suite ${suite.name} has no ${category || 'empty category'}; it has ${all}`);
  }
  if (json) {
    host.stdout.write(`${JSON.stringify({ ...suite, prompts })}\n`);
    return;
  }
  const rows = prompts.map(({ id, text, category: group }) => [id, group ?? '', oneLine(text)]);
  const hasGroups = prompts.some((prompt) => prompt.category !== undefined);
  host.stdout.write(`${formatTable(hasGroups ? rows : rows.map(([id, , text]) => [id, text]))}\n`);
  for (const defect of suite.defects) host.stderr.write(`sgool: suite ${suite.name}: ${defect}\n`);
}

async function add(name: string, file: string, options: { json?: boolean }, host: Host): Promise<void> {
  const known = findKnown(name);
  const files = await readFiles(await pathsOf(known.forms, resolve(host.cwd, file), file));
  report(await storeSuite(known, files, host.env), options, host);
}

/** The file, or the files of a form in a folder. */
async function pathsOf(forms: readonly Readonly<Record<string, unknown>>[], path: string, given: string) {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw usageError(`suites add: there is no file ${given}`);
  if (!found.isDirectory()) return [path];
  const names = await readdir(path);
  const form = forms.find((one) => Object.keys(one).every((name) => names.includes(name)));
  if (form !== undefined) return Object.keys(form).map((name) => join(path, name));
  const wanted = forms.map((one) => Object.keys(one).join(', ')).join('; or ');
  throw usageError(`suites add: the folder ${basename(path)} does not hold ${wanted}`);
}

async function pull(names: readonly string[], options: { json?: boolean }, host: Host): Promise<void> {
  const all = KNOWN_SUITES.filter(({ forms }) =>
    Object.values(forms[0]).every(({ url }) => url !== undefined),
  );
  const wanted = names.includes('all') ? all : names.map(findKnown);
  const interrupt = watchInterrupts(host, {
    onFirst: () => host.stderr.write('sgool: stopping\n'),
    onForced: () => undefined,
  });
  try {
    for (const known of wanted) {
      const files = await fetchSuite(known, { signal: interrupt.signal });
      report(await storeSuite(known, files, host.env), options, host);
    }
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new UserError('stopped', { exitCode: interrupt.exitCode });
  } finally {
    interrupt.dispose();
  }
}

function report(
  { suite, dir }: { suite: Suite; dir: string },
  { json = false }: { json?: boolean },
  host: Host,
) {
  if (json) {
    host.stdout.write(`${JSON.stringify({ ...withoutPrompts(suite), dir })}\n`);
    return;
  }
  host.stderr.write(`sgool: suite ${suite.name}: ${suite.prompts.length} prompts, ${suite.title}\n`);
  for (const defect of suite.defects) host.stderr.write(`sgool: suite ${suite.name}: ${defect}\n`);
  host.stdout.write(`${dir}\n`);
}

async function remove(name: string, { env, stderr }: Host): Promise<void> {
  const known = findKnown(name);
  const removed = await removeSuite(known.name, env);
  if (!removed) throw usageError(`suites remove: suite ${name} is not on this machine`);
  stderr.write(`sgool: suite ${name}: its copy is removed\n`);
}
