/** @file The NVIDIA card of this machine, as its driver describes it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface Card {
  readonly name: string;
  readonly driver: string;
  /** Bytes of memory that all programs together hold on it now. */
  readonly usedBytes: number;
}

const QUERY = ['--query-gpu=name,driver_version,memory.used', '--format=csv,noheader,nounits', '--id=0'];

/** Asks the driver. @throws Error where there is no driver or no card */
export async function askDriver(): Promise<Card> {
  const { stdout } = await promisify(execFile)('nvidia-smi', QUERY);
  const card = cardOf(stdout);
  if (card === undefined) throw new Error(`nvidia-smi answered "${stdout.trim().slice(0, 100)}"`);
  return card;
}

/** From a line of nvidia-smi, whose memory is in mebibytes. */
export function cardOf(text: string): Card | undefined {
  const [, name, driver, used] = /^\s*(.+?), ([\d.]+), (\d+)\s*$/.exec(text) ?? [];
  return name === undefined ? undefined : { name, driver, usedBytes: Number(used) * 2 ** 20 };
}
