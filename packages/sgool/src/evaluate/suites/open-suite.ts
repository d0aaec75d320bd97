/** @file Finding a suite by what the user wrote: a name, or the path of a file. */
import { basename, extname, resolve } from 'node:path';
import { z } from 'zod';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { JUDGE_NAMES } from '../../networks/judge/open-judge.ts';
import { parseJsonObject } from '../../platform/json.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import type { Environment } from '../../weights/hub/environment.ts';
import { KNOWN_SUITES } from './known-suites.ts';
import { OWN_SUITES, type OwnSuiteName, ownSuite } from './own-suites.ts';
import { storedSuite } from './stored-suites.ts';
import type { Suite } from './suite.ts';
import { formatOf, SUITE_FORMATS, suiteHash, suitePrompts } from './suite-text.ts';

/** `prompts.suite.json` beside `prompts.csv`: what the file is. Every key may be left out. */
const descriptionSchema = z.strictObject({
  title: z.string().min(1).optional(),
  origin: z.string().min(1).optional(),
  licence: z.string().min(1).optional(),
  format: z.enum(SUITE_FORMATS).optional(),
  columns: z
    .strictObject({ prompt: z.string(), category: z.string().optional(), id: z.string().optional() })
    .optional(),
  judge: z.enum(JUDGE_NAMES).optional(),
  defects: z.array(z.string()).optional(),
});

/** Names of all suites that sgool knows, its own first. */
export const SUITE_NAMES: readonly string[] = [
  ...Object.keys(OWN_SUITES),
  ...KNOWN_SUITES.map(({ name }) => name),
];

const wrong = (message: string) => new UserError(message, { exitCode: 2 });

/**
 * Opens a suite.
 *
 * @param nameOrPath one of {@link SUITE_NAMES}, or a file of prompts: .txt, .csv, .tsv, .jsonl, .json
 * @param cwd folder that relative paths start from
 * @throws UserError in one line: which names there are, how a public list is added, what is wrong with the file
 */
export async function openSuite(nameOrPath: string, cwd: string, env?: Environment): Promise<Suite> {
  if (Object.hasOwn(OWN_SUITES, nameOrPath)) return ownSuite(nameOrPath as OwnSuiteName);
  const known = KNOWN_SUITES.find(({ name }) => name === nameOrPath);
  if (known !== undefined) {
    const suite = await storedSuite(known, env);
    if (suite !== undefined) return suite;
    const canPull = Object.values(known.forms[0]).every(({ url }) => url !== undefined);
    const files = Object.keys(known.forms[0]).length === 1 ? Object.keys(known.forms[0])[0] : '<folder>';
    const pull = canPull ? `sgool suites pull ${known.name}, or ` : '';
    throw wrong(
      `suite ${known.name}: is not on this machine; get it with ${pull}sgool suites add ${known.name} ${files}`,
    );
  }
  const path = resolve(cwd, nameOrPath);
  if (await files.isFile(path)) return fileSuite(path);
  const isPath = /[/\\]|\.\w+$/.test(nameOrPath);
  const isThere = await files.exists(path);
  const problem = isThere ? 'is no file' : isPath ? 'there is no such file' : 'unknown';
  throw wrong(
    `suite: ${problem}, got ${nameOrPath || 'nothing'}; choose from ${SUITE_NAMES.join(', ')}, or give a file of prompts`,
  );
}

async function fileSuite(path: string): Promise<Suite> {
  const description = await descriptionOf(path);
  const format = description.format ?? formatOf(path);
  const name = basename(path);
  if (format === undefined) {
    throw wrong(`suite ${name}: the ending says no format; use .txt, .csv, .tsv, .jsonl or .json`);
  }
  const text = await files.readText(path, SIZE_LIMITS.prompts);
  const prompts = suitePrompts(text, format, name, description.columns);
  return {
    name: suiteName(path),
    title: description.title ?? name,
    prompts,
    sha256: suiteHash(prompts),
    origin: description.origin ?? `the file ${name}`,
    ...(description.licence === undefined ? {} : { licence: description.licence }),
    ...(description.judge === undefined ? {} : { judge: description.judge }),
    defects: description.defects ?? [],
  };
}

/** The name of a file as the name of a suite. */
function suiteName(path: string): string {
  const plain = basename(path, extname(path))
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  return plain === '' || SUITE_NAMES.includes(plain) ? `own-${plain || 'suite'}` : plain;
}

async function descriptionOf(path: string): Promise<z.output<typeof descriptionSchema>> {
  const place = `${path.slice(0, path.length - extname(path).length)}.suite.json`;
  if (!(await files.exists(place))) return {};
  const value = parseJsonObject(await files.readText(place, SIZE_LIMITS.settings), place);
  const result = descriptionSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new UserError(`${place}: ${issue.path.join('.') || 'description'}: ${issue.message}`);
}
