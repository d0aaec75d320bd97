/** @file Packages that few people need (evaluations on many machines, MP4): users install them when they do. */
import { UserError } from '../errors.ts';

/** What to install for each of them. */
const INSTALL = {
  bullmq: 'npm install bullmq',
  ioredis: 'npm install bullmq ioredis',
  pg: 'npm install bullmq pg',
  '@aws-sdk/client-s3': 'npm install @aws-sdk/client-s3',
  'h264-mp4-encoder': 'npm install h264-mp4-encoder',
} as const;

/**
 * Loads such a package.
 *
 * @param load `() => import('name')`, spelled out so that its types are known
 * @throws UserError with the command that installs it, where it is missing
 */
export async function optionalPackage<T>(name: keyof typeof INSTALL, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
    throw new UserError(`this needs the package ${name}, which is not installed: ${INSTALL[name]}`, {
      cause: error,
    });
  }
}
