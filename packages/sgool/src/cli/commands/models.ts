/** @file `sgool models`: its subcommands have files of their own in `models/`. */
import type { Command } from 'commander';
import type { Host } from '../host.ts';
import { configureAdd } from './models/add.ts';
import { configureInspect } from './models/inspect.ts';
import { configureList } from './models/list.ts';
import { configurePull } from './models/pull.ts';
import { configureVerify } from './models/verify.ts';

const NOTES = `
Examples:
  sgool models list
  sgool models inspect toybox
  sgool models inspect ./stable-diffusion-v1-4 --tensors
  sgool models pull CompVis/stable-diffusion-v1-4
  sgool models add transalnet TranSalNet_Res.pth`;

export function configure(command: Command, host: Host): void {
  command.addHelpText('after', NOTES);
  for (const configureOne of [configureList, configureInspect, configurePull, configureVerify, configureAdd])
    configureOne(command, host);
}
