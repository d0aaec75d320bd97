/** @file Models from the Hugging Face Hub, in the cache that all tools share. */
export { type CachedModel, findSnapshot, type HubSnapshot, listCachedModels } from './cache.ts';
export { type Environment, hubCacheDir, hubEndpoint, hubToken, isHubOffline } from './environment.ts';
export { type HubModelId, parseModelId } from './model-id.ts';
export { type PulledModel, type PullOptions, type PullProgress, pullModel } from './pull.ts';
export type { FileChoice } from './select-files.ts';
export { type FileCheck, type VerifyOptions, verifyFiles } from './verify.ts';
