/** @file Which of the names that a Hub gives to files may become names on the disk. The same on every system. */
import { UserError } from '../../errors.ts';

/** Names that Windows keeps for devices, with any ending. Reference: Naming Files, Paths, and Namespaces (Microsoft) */
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³])(\..*)?$/i;
/** Most bytes of one part of a path on common file systems, and of the whole path. */
const PART_BYTES = 255;
const PATH_BYTES = 1024;

/** Whether a path, with slashes, would leave the folder that it is put in, on any system. */
export function leadsOutside(path: string): boolean {
  // A backslash separates folders on Windows, a colon follows the letter of a drive.
  if (/[\\:\0]/.test(path)) return true;
  return path.split('/').some((part) => part === '' || part === '.' || part === '..');
}

/**
 * What keeps a path, with slashes, from being a file on every system, in words; undefined where nothing does. Names that end in a
 * dot or a space are other names on Windows.
 */
function namingProblem(path: string): string | undefined {
  if (Buffer.byteLength(path) > PATH_BYTES) return 'it is too long';
  for (const part of path.split('/')) {
    if (Buffer.byteLength(part) > PART_BYTES) return 'it is too long';
    if (DEVICE.test(part)) return 'Windows keeps the name for a device';
    if (/[. ]$/.test(part)) return 'it ends in a dot or a space';
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    if (/[\x00-\x1f\x7f<>"|?*]/.test(part)) return 'it holds characters that are not allowed in file names';
  }
  return undefined;
}

/**
 * Checks the names of the files that are about to be written.
 *
 * @throws UserError where one cannot be a file on every system, or two would be the same file
 */
export function checkFileNames(id: string, paths: readonly string[]): void {
  const taken = new Map<string, string>();
  for (const path of paths) {
    const problem = leadsOutside(path) ? 'it leads out of the folder' : namingProblem(path);
    if (problem !== undefined) throw unsafe(id, path, problem);
    // Macs and Windows do not tell upper case from lower case, Macs not the ways to write an accent.
    const key = path.normalize('NFC').toLowerCase();
    const other = taken.get(key);
    if (other !== undefined && other !== path) {
      throw unsafe(id, path, `on some systems it is the same file as ${other}`);
    }
    taken.set(key, path);
  }
  for (const [key, path] of taken) {
    for (let end = key.lastIndexOf('/'); end > 0; end = key.lastIndexOf('/', end - 1)) {
      if (taken.has(key.slice(0, end))) throw unsafe(id, path, 'it is in a folder that is a file as well');
    }
  }
}

/** The refusal of a name. */
export const unsafe = (id: string, path: string, problem: string): UserError =>
  new UserError(`hub: ${id} has a file with an unsafe name, got ${JSON.stringify(path)}: ${problem}`);
