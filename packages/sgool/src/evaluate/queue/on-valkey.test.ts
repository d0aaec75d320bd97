import { queueTests } from './testing/queue-tests.ts';
import { MISSING, startRedis } from './testing/servers.ts';

queueTests('redis', () => startRedis('valkey'), MISSING.valkey);
