/** @file The name that a folder has while another one takes its place. No folder can be replaced in one step. */

/** Where the content of `dir` is if a process was killed between the two renames of `replaceFolder`. */
export const formerFolder = (dir: string): string => `${dir}.former`;
