/** @file Writing adapters; see adapter.ts. Node only. */
import { type TensorToWrite, writeSafetensors } from '../formats/write-safetensors.ts';
import { loraModule } from '../names/lora.ts';
import { ADAPTER_FORMAT, ADAPTER_KEY, type AdapterInfo, type WeightChange } from './adapter.ts';

/**
 * Writes an adapter whole or not at all. Weights that did not change are left out.
 *
 * @param changes by the names of the UNet's weights
 * @throws UserError where the file system refuses
 */
export async function writeAdapter(
  path: string,
  changes: ReadonlyMap<string, WeightChange>,
  info: AdapterInfo,
): Promise<void> {
  const changed = [...changes].filter(([, { data }]) => data.some((value) => value !== 0));
  const tensors = Object.fromEntries(
    changed.map(([name, { shape, data }]): [string, TensorToWrite] => [
      `lora_unet_${loraModule(name.replace(/\.weight$/, ''))}.diff`,
      { dtype: 'F32', shape, data },
    ]),
  );
  const text = JSON.stringify({ format: ADAPTER_FORMAT, ...info });
  await writeSafetensors(path, tensors, { format: 'pt', [ADAPTER_KEY]: text });
}
