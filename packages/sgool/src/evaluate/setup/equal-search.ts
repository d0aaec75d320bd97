/** @file The search that stands beside the methods of an evaluation: as many candidates as the dearest of them costs. */
import { METHODS } from '../../methods/index.ts';
import type { EvaluatedMethod } from '../cells/manifest.ts';
import { isSearch, nearestCount, needsSearch } from '../report/equal-cost.ts';
import { checkLabels, type WantedMethod } from './variants.ts';

/** Floating-point operations of one image of a method with its settings, before it is made. */
export type WorkOf = (method: Pick<EvaluatedMethod, 'method' | 'settings'>) => Promise<number>;

/** A wanted method with all settings that it will run with. */
export type Resolve = (wanted: WantedMethod) => EvaluatedMethod;

/**
 * The methods of an evaluation with a search that costs as much as the dearest of them: best-of, where it is wanted without a number
 * of iterations, or not at all. What it selects among its first candidates is the search at the cost of each cheaper method.
 *
 * @throws UserError where another method has the name of the search that is added
 */
export async function withEqualSearch(
  wanted: readonly WantedMethod[],
  reference: string,
  resolve: Resolve,
  workOf: WorkOf,
): Promise<EvaluatedMethod[]> {
  const methods = wanted.map(resolve);
  const others = methods.filter((method) => needsSearch(method, reference));
  const searches = wanted.filter(isSearch);
  const open = searches.find(({ settings }) => !Object.hasOwn(settings, 'iterations'));
  if (others.length === 0 || (searches.length > 0 && open === undefined)) return methods;
  const search = open ?? searchByDefault();
  if (open === undefined) checkLabels([...wanted, search]);
  const sized = resolve(withIterations(search, (await candidatesFor(others, search, resolve, workOf)) - 1));
  return open === undefined ? [...methods, sized] : methods.with(wanted.indexOf(open), sized);
}

/** How many candidates cost as much as the dearest of some methods. */
async function candidatesFor(
  methods: readonly EvaluatedMethod[],
  search: WantedMethod,
  resolve: Resolve,
  workOf: WorkOf,
): Promise<number> {
  const work: number[] = [];
  for (const method of methods) work.push(await workOf(method));
  // Of two runs, so that what is done once for all candidates (reading the prompt) is not taken for a part of each.
  const one = await workOf(resolve(withIterations(search, 0)));
  const each = (await workOf(resolve(withIterations(search, 1)))) - one;
  return nearestCount(1 + Math.max(0, Math.max(...work) - one) / each);
}

const withIterations = (search: WantedMethod, iterations: number): WantedMethod => ({
  ...search,
  settings: { ...search.settings, iterations: String(iterations) },
});

function searchByDefault(): WantedMethod {
  const found = METHODS.find(({ independentCandidates }) => independentCandidates);
  if (found === undefined) throw new Error('evaluate: no method has independent candidates');
  return { label: found.name, method: found.name, settings: {} };
}
