/** @file Requests for tests that run every method. */
import type { MethodRequest } from '../request/request.ts';
import { SETTINGS } from '../request/settings/index.ts';
import { type MethodName, methods } from './index.ts';

/** A request without the settings that the method does not have. */
export function requestTo(name: MethodName, request: MethodRequest): MethodRequest {
  const kept = Object.entries({ plan: planFor(request), ...request }).filter(
    ([key]) => !Object.hasOwn(SETTINGS, key) || Object.hasOwn(methods[name].settings, key),
  );
  return Object.fromEntries(kept) as unknown as MethodRequest;
}

/** A plan of two stages with as many iterations as the other methods have, or with half of the budget each. */
function planFor({ iterations, budget }: MethodRequest): string {
  if (budget !== undefined && iterations === undefined) return 'best-of:50%, sgool:50%';
  const last = iterations ?? 2;
  if (last < 2) return `sgool:${last}`;
  const first = Math.ceil((last - 1) / 2);
  return `best-of:${first}, sgool:${last - 1 - first}`;
}
