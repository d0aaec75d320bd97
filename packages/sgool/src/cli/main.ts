#!/usr/bin/env node
/** @file The binary. It stays light: what needs networks or images is imported by the commands that use it. */
import { processHost } from './host.ts';
import { runCli } from './run.ts';

for (const stream of [process.stdout, process.stderr]) {
  // The reader at the other end of a pipe (`| head`) has gone: nobody is left to tell.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

process.exitCode = await runCli(process.argv.slice(2), processHost());
