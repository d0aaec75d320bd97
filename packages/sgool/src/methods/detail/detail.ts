/** @file Plain Stable Diffusion with the detail pass behind it, as After Detailer works in the web UI. */
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import type { MethodDefinition } from '../run/method.ts';
import { sd } from '../sd.ts';
import { type WithPass, withDetailPass } from './detail-pass.ts';

export const detail: MethodDefinition<'detail', WithPass<SamplingSettings>> = withDetailPass({
  ...sd,
  name: 'detail',
  summary: 'repaints the salient regions of a plain image, each enlarged',
  cost: 'steps, and for each region detail-strength x steps',
  useFor: 'small faces and things that lack detail; the composition stays',
});
