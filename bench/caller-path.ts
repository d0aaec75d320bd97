/** @file Paths that a user gives on the command line. */
import { resolve } from 'node:path';

/** An absolute path. A relative one is resolved against the folder where the user called npm; npm runs scripts in the repository. */
export function callerPath(path: string): string {
  return resolve(process.env.INIT_CWD ?? '.', path);
}
