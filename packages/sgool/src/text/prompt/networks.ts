/** @file Tags for other networks in a prompt: `<lora:name:0.8>`. */

/** A tag. */
export interface NetworkTag {
  /** As written. */
  readonly text: string;
  /** `lora`, `hypernet` and so on. */
  readonly kind: string;
  /** What stands behind the first colon, split at colons. */
  readonly values: readonly string[];
}

const TAG = /<(\w+):([^>]+)>/g;

/** Takes the tags out of a prompt. */
export function extractNetworks(prompt: string): { text: string; networks: NetworkTag[] } {
  const networks: NetworkTag[] = [];
  const text = prompt.replace(TAG, (whole: string, kind: string, values: string) => {
    networks.push({ text: whole, kind, values: values.split(':') });
    return '';
  });
  return { text, networks };
}
