import type { Command } from 'commander';
import type { Host } from '../../host.ts';
export function configureReport(_parent: Command, _host: Host): void {}
