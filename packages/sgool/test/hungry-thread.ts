/** @file A program whose thread takes all memory that JavaScript may have: for little-memory.test.ts. */
import { threadedProgram } from './threaded-program.ts';

await threadedProgram(import.meta.url, async (host, records) => {
  for (const record of records) host.guard(record);
  // The message about the records goes first.
  await new Promise((done) => setTimeout(done, 50));
  const kept: string[][] = [];
  for (;;) kept.push(Array.from({ length: 10_000 }, (_, i) => `${kept.length} ${i}`));
});
