/** @file Public lists that the user added: kept in `suites/<name>` of the user's data folder, checked again when they are read. */
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { disk, files } from '#platform';
import { UserError } from '../../errors.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import type { Environment } from '../../weights/hub/environment.ts';
import { userDataDir } from '../../weights/open/added.ts';
import { replaceFolder, writeFileAtomic } from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import { type GivenFile, KNOWN_SUITES, type KnownSuite, knownSuite } from './known-suites.ts';
import type { Suite } from './suite.ts';

/** The folder of a list that is or will be added. */
export const suiteDir = (name: string, env?: Environment): string => join(userDataDir(env), 'suites', name);

/** What is known about a public list. @throws UserError that names all of them */
export function findKnown(name: string): KnownSuite {
  const known = KNOWN_SUITES.find((one) => one.name === name);
  if (known !== undefined) return known;
  const names = KNOWN_SUITES.map((one) => one.name).join(', ');
  throw new UserError(`suites: unknown list, got ${name || 'nothing'}; choose one of ${names}`, {
    exitCode: 2,
  });
}

/**
 * Checks the files of a list and keeps a copy.
 *
 * @throws UserError where they are not those of the list, or cannot be written; an earlier copy is still there then
 */
export async function storeSuite(
  known: KnownSuite,
  given: readonly GivenFile[],
  env?: Environment,
): Promise<{ suite: Suite; dir: string }> {
  const suite = knownSuite(known, given);
  const dir = suiteDir(known.name, env);
  await makeFolders(dirname(dir));
  await replaceFolder(dir, async (folder) => {
    for (const { name, text } of given) await writeFileAtomic(join(folder, name), text);
  });
  return { suite, dir };
}

/**
 * A list that was added.
 *
 * @returns undefined where it was not
 * @throws UserError where its files are not what was added
 */
export async function storedSuite(known: KnownSuite, env?: Environment): Promise<Suite | undefined> {
  const dir = suiteDir(known.name, env);
  const names = namesIn(dir);
  if (names.length === 0) return undefined;
  return knownSuite(known, await readFiles(names.map((name) => join(dir, name))));
}

/** Removes the copy of a list. @returns whether there was one */
export async function removeSuite(name: string, env?: Environment): Promise<boolean> {
  const dir = suiteDir(name, env);
  const wasThere = namesIn(dir).length > 0;
  await rm(dir, { recursive: true, force: true });
  return wasThere;
}

/** The texts of files. @throws UserError where one cannot be read */
export async function readFiles(paths: readonly string[]): Promise<GivenFile[]> {
  return Promise.all(
    paths.map(async (path) => ({
      name: basename(path),
      text: await files.readText(path, SIZE_LIMITS.prompts),
    })),
  );
}

const namesIn = (dir: string): string[] =>
  disk
    .list(dir)
    .filter((name) => !name.startsWith('.'))
    .toSorted();
