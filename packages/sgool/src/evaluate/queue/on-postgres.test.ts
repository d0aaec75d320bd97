import { queueTests } from './testing/queue-tests.ts';
import { startPostgres } from './testing/servers.ts';

queueTests('postgres', () => startPostgres());
