/** @file Exit codes: what the process says of how it ended. The help and README.md show {@link EXIT_CODES}. */

export const DONE = 0;
/** Something could not be made, read or written. */
export const FAILED = 1;
/** The command line cannot be understood. */
export const USAGE_ERROR = 2;
/** Stopped by a signal, as shells give it; SIGINT is Ctrl-C. */
export const STOPPED_BY = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
/** Nobody reads the standard output any more, as of tools that SIGPIPE ends. */
export const READER_GONE = 141;

/** All exit codes, with their meanings. */
export const EXIT_CODES: readonly (readonly [code: string, meaning: string])[] = [
  [String(DONE), 'done'],
  [
    String(FAILED),
    'an input or a file is wrong, or the standard output cannot be written: one line on stderr says which',
  ],
  [
    String(USAGE_ERROR),
    'the command line is wrong: an unknown command or option, an unusable value, an option that the method does not have',
  ],
  [
    [STOPPED_BY.SIGHUP, STOPPED_BY.SIGINT, STOPPED_BY.SIGTERM].join(', '),
    'stopped by SIGHUP, Ctrl-C, SIGTERM; the best image so far is kept, and sgool resume goes on',
  ],
  [String(READER_GONE), 'nobody reads the standard output any more (| head); images are made all the same'],
];
