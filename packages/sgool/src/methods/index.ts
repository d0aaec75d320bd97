/** @file The table of all methods: the only list of them. Names, help texts and error messages come from here. */
import { UserError } from '../errors.ts';
import { type MethodRequest, type ParsedRequest, parseRequest as parseWith } from '../request/request.ts';
import type { MethodSettings } from '../request/settings/index.ts';
import { attendAndExcite } from './attend-and-excite.ts';
import { bestOf } from './best-of.ts';
import { clipGuided } from './clip-guided.ts';
import { detail } from './detail/detail.ts';
import { hasPass, withDetailPass } from './detail/detail-pass.ts';
import { doodl } from './doodl.ts';
import { flowchef } from './flowchef.ts';
import { freeInit } from './free-init.ts';
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
  flowchef,
  zeroOrder,
  trustRegionSearch,
  resampling,
  freeInit,
  detail,
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

/** The definitions without their own settings in the type. */
const ALL = DEFINITIONS as readonly unknown[] as readonly MethodDefinition<MethodName, MethodSettings>[];

const single = ALL.map((definition) => createMethod(definition, METHODS));

export const methods = {
  ...Object.fromEntries(single.map((method) => [method.name, method])),
  plan: createPlan(PLAN, single, METHODS),
} as unknown as Methods;

/** The methods with the detail pass behind their result, by name; not those that have it anyway. */
export const detailedMethods: Readonly<Partial<Record<MethodName, Method>>> = Object.fromEntries(
  ALL.filter(({ settings }) => !hasPass({ settings })).map((definition) => [
    definition.name,
    createMethod(withDetailPass(definition), METHODS),
  ]),
);

/** A request as callers write it: only the prompt is needed, and the method has the settings that it names. */
export type GenerationRequest = MethodRequest & {
  readonly method?: MethodName;
  /** Whether the detail pass follows the result of the method. Default false. */
  readonly detail?: boolean;
};

/**
 * The method of a request.
 *
 * @throws UserError where the detail pass is wanted behind a method that has it, or that it cannot follow
 */
export function methodFor({ detail = false, ...choice }: GenerationChoice): Method {
  const name = methodOf(choice) as MethodName;
  if (!detail) return methods[name] as Method;
  const detailed = detailedMethods[name];
  if (detailed) return detailed;
  const why = hasPass(methods[name])
    ? 'has the detail pass already'
    : 'cannot have the detail pass behind it';
  throw new UserError(`request: detail: method ${name} ${why}; leave out detail`);
}

/** What chooses the method of a request. */
export type GenerationChoice = Pick<GenerationRequest, 'method' | 'plan' | 'detail'>;

/**
 * Checks a request.
 *
 * @throws UserError in one line: which key is wrong, its value, and what would be right; for a setting that the method does not
 *   have, the methods that have it
 */
export function parseRequest(request: unknown): ParsedRequest<MethodName> {
  const isObject = typeof request === 'object' && request !== null;
  const { detail, ...rest } = (isObject ? request : {}) as GenerationRequest;
  if (detail === undefined) return parseWith(request, METHODS, methodOf) as ParsedRequest<MethodName>;
  if (typeof detail !== 'boolean') {
    throw new UserError(`request: detail must be true or false, got ${JSON.stringify(detail)}`);
  }
  const wanted = methodOf(rest);
  const schemas = METHODS.map((one) => (one.name === wanted ? methodFor({ ...rest, detail }) : one));
  return parseWith(rest, schemas, methodOf) as ParsedRequest<MethodName>;
}
