/** @file Paths that a user gives on the command line. */
import { resolve } from 'node:path';

/** An absolute path. A relative one counts from the folder where the user called npm, which runs scripts in the repository's. */
export function callerPath(path: string): string {
  return resolve(process.env.INIT_CWD ?? '.', path);
}
