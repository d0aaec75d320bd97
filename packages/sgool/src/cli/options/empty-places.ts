/** @file A file or folder whose name is empty: a path made of it would be the current folder, which nobody has named. */
import type { Command } from 'commander';
import { usageError } from '../usage-error.ts';

/** What the help calls arguments that name a file or folder, in brackets: `<folder>`, `[image...]`. */
export const PLACE = /^(?:file|folder|place|path|image|part|study|suite|evaluation)s?$/;

/** The word between the brackets of an option's flags: `folder` of `--out <folder>`. */
export const placeholderOf = (flags: string) => /[<[]([\w-]+)/.exec(flags)?.[1] ?? '';

/** Options that are read by a schema have their values by key. */
const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null
    ? Object.values(value).some(isEmpty)
    : typeof value === 'string' && value.trim() === '';

/**
 * Looks at the arguments and options of a command before it runs.
 *
 * @throws UserError where one that names a file or folder is given and empty
 */
export function checkPlaces(command: Command): void {
  const values = command.opts<Record<string, unknown>>();
  const given = [
    ...command.registeredArguments.map((one, i) => ({
      who: `<${one.name()}>`,
      what: one.name(),
      value: command.processedArgs[i] as unknown,
    })),
    ...command.options.map((one) => ({
      who: one.long ?? one.flags,
      what: placeholderOf(one.flags),
      value: values[one.attributeName()],
    })),
  ];
  const empty = given.find(({ what, value }) => PLACE.test(what) && isEmpty(value));
  if (empty === undefined) return;
  throw usageError(`${empty.who}: needs the name of a ${empty.what}, got nothing`);
}
