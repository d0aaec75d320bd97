/** @file From what a user asked for to the manifest of an evaluation, and whether a folder holds the same one. */

import { UserError } from '../../errors.ts';
import { settingsOf } from '../../methods/run/create-method.ts';
import type { Method } from '../../methods/run/method.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { parseJson } from '../../platform/json.ts';
import type { ParsedRequest } from '../../request/request.ts';
import { canonicalJson } from '../cells/cell.ts';
import type { EvaluatedMethod, EvaluatedSuite, Manifest } from '../cells/manifest.ts';
import type { Suite, SuitePrompt } from '../suites/suite.ts';

/** The column of a method: all its settings, and what scores are to it. */
export function evaluatedMethod(
  label: string,
  method: Method,
  pipeline: Pipeline,
  given: Readonly<Record<string, unknown>>,
  request: ParsedRequest,
): EvaluatedMethod {
  const settings = settingsOf(method, pipeline, request);
  const { guides, selects } = method.roles(settings);
  return {
    label,
    method: method.name,
    request: jsonObject(given),
    settings: jsonObject(settings),
    guides: [...guides],
    selects: [...selects],
  };
}

const jsonObject = (value: object) =>
  parseJson(JSON.stringify(value), 'settings') as EvaluatedMethod['settings'];

/** The suite with the prompts that are run. */
export function evaluatedSuite(suite: Suite, prompts: readonly SuitePrompt[]): EvaluatedSuite {
  const { name, title, sha256, origin, licence, judge, defects } = suite;
  return {
    name,
    title,
    sha256,
    origin,
    ...(licence === undefined ? {} : { licence }),
    ...(judge === undefined ? {} : { judge }),
    defects: [...defects],
    prompts: prompts.map(({ id, text, category, readings }) => ({
      id,
      text,
      ...(category === undefined ? {} : { category }),
      ...(readings === undefined ? {} : { readings: readings.map((clauses) => [...clauses]) }),
    })),
  };
}

/** What must be equal in two manifests for their cells to be the same; scores may be added later. */
const SAME = ['model', 'device', 'precision', 'methods', 'reference', 'suites', 'seeds'] as const;

/**
 * @throws UserError that names what differs between the evaluation in a folder and the one that was asked for
 */
export function checkSameEvaluation(folder: string, found: Manifest, wanted: Manifest): void {
  const differ = SAME.filter(
    (key) => canonicalJson(comparable(found[key])) !== canonicalJson(comparable(wanted[key])),
  );
  if (differ.length === 0) return;
  const what = differ.map((key) => difference(key, found, wanted)).join(', ');
  throw new UserError(
    `--out: ${folder} holds another evaluation: ${what}; give another folder, or the command that began it: ${found.command}`,
    { exitCode: 2 },
  );
}

/** What differs, with its values where they are short. */
function difference(key: (typeof SAME)[number], found: Manifest, wanted: Manifest): string {
  if (key === 'model') {
    const [there, here] = [found.model, wanted.model].map(
      ({ name, hash }) => `${name} (${hash.slice(0, 8)})`,
    );
    return `model ${there}, not ${here}`;
  }
  if (key === 'device' || key === 'precision' || key === 'reference')
    return `${key} ${found[key]}, not ${wanted[key]}`;
  return `other ${key}`;
}

/** Large seeds are bigints, which JSON does not have; a model may have been opened by another name. */
function comparable(value: Manifest[(typeof SAME)[number]]): unknown {
  if (Array.isArray(value))
    return value.map((item: unknown) => (typeof item === 'bigint' ? String(item) : item));
  return typeof value === 'object' && 'hash' in value ? value.hash : value;
}
