/** @file Whether the peers are there. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export type Peers = { readonly versions: Readonly<Record<string, string>> } | { readonly missing: string };

const PACKAGES = ['torch', 'diffusers', 'transformers'];
const ASK = `import json, ${PACKAGES.join(', ')}; print(json.dumps({p.__name__: p.__version__ for p in [${PACKAGES.join(', ')}]}))`;

/** Versions of the peers, or one line that says what to do. */
export async function findPeers(python: string): Promise<Peers> {
  try {
    const { stdout } = await promisify(execFile)(python, ['-c', ASK]);
    return { versions: JSON.parse(stdout.trim().split('\n').at(-1)!) };
  } catch (error) {
    const lines = String((error as { stderr?: string }).stderr ?? '')
      .trim()
      .split('\n');
    const reason = lines.at(-1) || (error as Error).message;
    return {
      missing: `no peers, our side is measured alone: ${python}: ${reason}; give a Python that has bench/peers/requirements.txt with --python`,
    };
  }
}
