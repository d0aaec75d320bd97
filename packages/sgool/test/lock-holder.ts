/** @file A process that holds a lock, for tests. Arguments: the lock, and the milliseconds that it is held. */
import { setTimeout } from 'node:timers/promises';
import { withLock } from '../src/weights/hub/lock.ts';

const [, , path, time] = process.argv;
await withLock(
  path,
  async ({ check }) => {
    process.stdout.write('held\n');
    await setTimeout(Number(time));
    await check();
    process.stdout.write('done\n');
  },
  { times: { heartbeat: 20, silence: 200, poll: 5 } },
);
