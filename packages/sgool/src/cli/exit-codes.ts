/** @file Exit codes; 0 is done, 1 failed. */

/** The command line cannot be understood. */
export const USAGE_ERROR = 2;
/** Stopped by Ctrl-C, as shells give it for SIGINT. */
export const INTERRUPTED = 130;
