/** @file The table of all methods: the only list of them. Names, help texts and error messages come from here. */
import { type MethodRequest, type ParsedRequest, parseRequest as parseWith } from '../request/request.ts';
import type { MethodSettings } from '../request/settings.ts';
import { attendAndExcite } from './attend-and-excite.ts';
import { bestOf } from './best-of.ts';
import { clipGuided } from './clip-guided.ts';
import { doodl } from './doodl.ts';
import { createPlan, type PlanMethodSettings, planFacts } from './plan.ts';
import { resampling } from './resampling.ts';
import { createMethod } from './run/create-method.ts';
import type { Method, MethodDefinition, MethodFacts } from './run/method.ts';
import { sd } from './sd.ts';
import { sgool } from './sgool.ts';
import { trustRegionSearch } from './trust-region-search.ts';
import { zeroOrder } from './zero-order.ts';

/** In the order of help texts. */
const DEFINITIONS = [
  sd,
  clipGuided,
  doodl,
  sgool,
  bestOf,
  attendAndExcite,
  zeroOrder,
  trustRegionSearch,
  resampling,
] as const;
type Definition = (typeof DEFINITIONS)[number];

type Single = {
  readonly [D in Definition as D['name']]: D extends MethodDefinition<infer Name, infer S>
    ? Method<Name, S>
    : never;
};

/**
 * All methods, by name.
 *
 * @interface
 */
export type Methods = Single & { readonly plan: Method<'plan', PlanMethodSettings> };

/**
 * The name of a method.
 *
 * @useDeclaredType
 */
export type MethodName = keyof Methods;

const PLAN = planFacts(DEFINITIONS);

/** What each method says of itself. */
export const METHODS: readonly MethodFacts<MethodName>[] = [...DEFINITIONS, PLAN];

/** Names of all methods. */
export const METHOD_NAMES: readonly MethodName[] = METHODS.map(({ name }) => name);

/** The method of a request that names none. */
export const DEFAULT_METHOD: MethodName = sgool.name;

/** The method that a request means: the one that it names, or a plan where it gives one. */
export function methodOf({ method, plan }: { readonly method?: unknown; readonly plan?: unknown }): unknown {
  return method ?? (plan === undefined ? DEFAULT_METHOD : PLAN.name);
}

const single = DEFINITIONS.map((definition) =>
  createMethod(definition as MethodDefinition<MethodName, MethodSettings>, METHODS),
);

export const methods = {
  ...Object.fromEntries(single.map((method) => [method.name, method])),
  plan: createPlan(PLAN, single, METHODS),
} as unknown as Methods;

/** A request as callers write it: only the prompt is needed, and the method has the settings that it names. */
export type GenerationRequest = MethodRequest & { readonly method?: MethodName };

/**
 * Checks a request.
 *
 * @throws UserError in one line: which key is wrong, its value, and what would be right; for a setting that the method does not
 *   have, the methods that have it
 */
export function parseRequest(request: unknown): ParsedRequest<MethodName> {
  return parseWith(request, METHODS, methodOf) as ParsedRequest<MethodName>;
}
