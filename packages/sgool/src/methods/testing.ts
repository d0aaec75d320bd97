/** @file Requests for tests that run every method. */
import type { MethodRequest } from '../request/request.ts';
import { SETTINGS } from '../request/settings.ts';
import { type MethodName, methods } from './index.ts';

/** A request without the settings that the method does not have. */
export function requestTo(name: MethodName, request: MethodRequest): MethodRequest {
  const kept = Object.entries(request).filter(
    ([key]) => !Object.hasOwn(SETTINGS, key) || Object.hasOwn(methods[name].settings, key),
  );
  return Object.fromEntries(kept) as unknown as MethodRequest;
}
