/** @file The table of all methods: the only list of them. Names, help texts and error messages come from here. */
import { UserError } from '../errors.ts';
import { type MethodRequest, type ParsedRequest, parseRequest as parseWith } from '../request/request.ts';
import type { MethodSettings } from '../request/settings.ts';
import { bestOf } from './best-of.ts';
import { clipGuided } from './clip-guided.ts';
import { detail } from './detail/detail.ts';
import { hasPass, withDetailPass } from './detail/detail-pass.ts';
import { doodl } from './doodl.ts';
import { createMethod } from './run/create-method.ts';
import type { Method, MethodDefinition, MethodFacts } from './run/method.ts';
import { sd } from './sd.ts';
import { sgool } from './sgool.ts';

/** In the order of help texts. */
const DEFINITIONS = [sd, clipGuided, doodl, sgool, bestOf, detail] as const;
type Definition = (typeof DEFINITIONS)[number];

/**
 * The name of a method.
 *
 * @useDeclaredType
 */
export type MethodName = Definition['name'];

/**
 * All methods, by name.
 *
 * @interface
 */
export type Methods = {
  readonly [D in Definition as D['name']]: D extends MethodDefinition<infer Name, infer S>
    ? Method<Name, S>
    : never;
};

/** What each method says of itself. */
export const METHODS: readonly MethodFacts<MethodName>[] = DEFINITIONS;

/** Names of all methods. */
export const METHOD_NAMES: readonly MethodName[] = DEFINITIONS.map(({ name }) => name);

/** The method of a request that names none. */
export const DEFAULT_METHOD: MethodName = sgool.name;

/** The definitions without their own settings in the type. */
const ALL = DEFINITIONS as readonly unknown[] as readonly MethodDefinition<MethodName, MethodSettings>[];

export const methods = Object.fromEntries(
  ALL.map((definition) => [definition.name, createMethod(definition, METHODS)]),
) as Methods;

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
 * @throws UserError where the detail pass is wanted behind a method that has it
 */
export function methodOf({ method = DEFAULT_METHOD, detail = false }: GenerationChoice): Method {
  if (!detail) return methods[method] as Method;
  const detailed = detailedMethods[method];
  if (detailed) return detailed;
  throw new UserError(`request: detail: method ${method} has the detail pass already; leave out detail`);
}

/** What chooses the method of a request. */
export type GenerationChoice = Pick<GenerationRequest, 'method' | 'detail'>;

/**
 * Checks a request.
 *
 * @throws UserError in one line: which key is wrong, its value, and what would be right; for a setting that the method does not
 *   have, the methods that have it
 */
export function parseRequest(request: unknown): ParsedRequest<MethodName> {
  const isObject = typeof request === 'object' && request !== null;
  const { detail, ...rest } = (isObject ? request : {}) as GenerationRequest;
  if (detail === undefined) return parseWith(request, METHODS, DEFAULT_METHOD) as ParsedRequest<MethodName>;
  if (typeof detail !== 'boolean') {
    throw new UserError(`request: detail must be true or false, got ${JSON.stringify(detail)}`);
  }
  const { method = DEFAULT_METHOD } = rest;
  const schemas = METHODS.map((one) => (one.name === method ? methodOf({ method, detail }) : one));
  return parseWith(rest, schemas, DEFAULT_METHOD) as ParsedRequest<MethodName>;
}
