import { queueTests } from './testing/queue-tests.ts';
import { startRedis } from './testing/servers.ts';

queueTests('redis', () => startRedis());
