#!/usr/bin/env node
/** @file The binary. It stays light: each command imports the networks and images that it needs. */
import { runCli } from './cli.ts';
import { processHost } from './host.ts';

for (const stream of [process.stdout, process.stderr]) {
  // The reader at the other end of a pipe (`| head`) is gone.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    // The terminal is gone: the run is ended by SIGHUP, with its record.
    if (error.code === 'EIO') return;
    throw error;
  });
}

process.exitCode = await runCli(process.argv.slice(2), processHost());
