/** @file Exit codes; 0 is done, 1 failed. */

/** The command line cannot be understood. */
export const USAGE_ERROR = 2;
/** Stopped by a signal, as shells give it; SIGINT is Ctrl-C. */
export const STOPPED_BY = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
