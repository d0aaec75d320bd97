/** @file The table of all methods: the only list of them. Names, help texts and error messages come from here. */
import { type MethodRequest, type ParsedRequest, parseRequest as parseWith } from '../request/request.ts';
import type { MethodSettings } from '../request/settings.ts';
import { attendAndExcite } from './attend-and-excite.ts';
import { bestOf } from './best-of.ts';
import { clipGuided } from './clip-guided.ts';
import { doodl } from './doodl.ts';
import { createMethod } from './run/create-method.ts';
import type { Method, MethodDefinition, MethodFacts } from './run/method.ts';
import { sd } from './sd.ts';
import { sgool } from './sgool.ts';

/** In the order of help texts. */
const DEFINITIONS = [sd, clipGuided, doodl, sgool, bestOf, attendAndExcite] as const;
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

export const methods = Object.fromEntries(
  DEFINITIONS.map((definition) => {
    const { name } = definition;
    return [name, createMethod(definition as MethodDefinition<MethodName, MethodSettings>, METHODS)];
  }),
) as Methods;

/** A request as callers write it: only the prompt is needed, and the method has the settings that it names. */
export type GenerationRequest = MethodRequest & { readonly method?: MethodName };

/**
 * Checks a request.
 *
 * @throws UserError in one line: which key is wrong, its value, and what would be right; for a setting that the method does not
 *   have, the methods that have it
 */
export function parseRequest(request: unknown): ParsedRequest<MethodName> {
  return parseWith(request, METHODS, DEFAULT_METHOD) as ParsedRequest<MethodName>;
}
