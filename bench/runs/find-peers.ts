/** @file Finds out whether the peers are installed. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export type Peers = { readonly versions: Readonly<Record<string, string>> } | { readonly missing: string };

const PACKAGES = ['torch', 'diffusers', 'transformers'].join(', ');
const SCRIPT = `import json, ${PACKAGES}; print(json.dumps({p.__name__: p.__version__ for p in [${PACKAGES}]}))`;

/** Versions of the peers, or one line that says what to do. */
export async function findPeers(python: string): Promise<Peers> {
  try {
    const { stdout } = await promisify(execFile)(python, ['-c', SCRIPT]);
    return { versions: JSON.parse(lastLine(stdout)) };
  } catch (error) {
    const reason = lastLine(String((error as { stderr?: string }).stderr ?? '')) || (error as Error).message;
    return {
      missing: `${python}: no peers, our side is measured alone: ${reason}; give a Python that has bench/peers/requirements.txt with --python`,
    };
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
