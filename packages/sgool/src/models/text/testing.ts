/** @file For tests: the text encoders of fixtures/make/text_encoders.py as components of a model. */
import path from 'node:path';
import { FIXTURES } from '../../networks/testing.ts';
import { openSafetensors } from '../../weights/formats/safetensors.ts';
import { weightSource } from '../../weights/formats/weight-source.ts';
import type { ModelComponent } from '../../weights/open/model-folder.ts';

/**
 * A text encoder of the fixtures.
 *
 * @param changes keys over those of its configuration
 * @param place of the file of its weights. Default those of the fixture
 */
export async function fixtureComponent(
  name: string,
  changes: Readonly<Record<string, unknown>> = {},
  place = path.join(FIXTURES, `networks-${name}.safetensors`),
): Promise<ModelComponent> {
  const file = await openSafetensors(place);
  const config = { ...JSON.parse(file.metadata.config ?? '{}'), ...changes };
  const weights = weightSource(file, (stored) => (stored.startsWith('fixture/') ? undefined : stored));
  return { name, dir: `networks-${name}`, config, weights };
}
