/** @file The table of the losses of the attention. */
import type { AttentionLossName } from '../../../request/settings/attention.ts';
import { attendAndExcite } from './attend-and-excite.ts';
import type { AttentionLoss } from './attention-loss.ts';
import { divideAndBind } from './divide-and-bind.ts';
import { predicated } from './predicated.ts';
import { synGen } from './syngen.ts';

/** By name. */
export const ATTENTION_LOSSES: Readonly<Record<AttentionLossName, AttentionLoss>> = {
  'attend-and-excite': attendAndExcite,
  predicated,
  'divide-and-bind': divideAndBind,
  syngen: synGen,
};
