/** @file Version of this package. */
import { fileURLToPath } from 'node:url';
import { files } from '#platform';
import { SIZE_LIMITS } from '../platform/size-limits.ts';

export async function packageVersion(): Promise<string> {
  const manifest = await files.readText(
    fileURLToPath(new URL('../../package.json', import.meta.url)),
    SIZE_LIMITS.config,
  );
  return (JSON.parse(manifest) as { version: string }).version;
}
