/** @file All methods, by name. */

import type { MethodName } from '../request/request.ts';
import { bestOf } from './best-of.ts';
import { clipGuided } from './clip-guided.ts';
import { doodl } from './doodl.ts';
import type { Method } from './run/method.ts';
import { sd } from './sd.ts';
import { sgool } from './sgool.ts';

export const methods: Readonly<Record<MethodName, Method>> = {
  sd,
  'clip-guided': clipGuided,
  doodl,
  sgool,
  'best-of': bestOf,
};
