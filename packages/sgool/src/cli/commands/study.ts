/** @file `sgool study`: the images of an evaluation before people; its subcommands have files of their own in `study/`. */
import type { Command } from 'commander';
import type { Host } from '../host.ts';
import { configureCreate } from './study/create.ts';
import { configureExport } from './study/export.ts';
import { configureReport } from './study/report.ts';
import { configureServe } from './study/serve.ts';

const NOTES = `
A study shows people two images of one prompt, without saying which method made
which, and asks which one is better and which one fits the text better. It is a
folder: the pictures, the questions, and one file of votes for each rater.

Examples:
  sgool study create sgool-output/evaluate-toybox --methods sd,sgool --pairs 40
  sgool study serve sgool-output/evaluate-toybox/study/default
  sgool study serve sgool-output/evaluate-toybox/study/default --host 0.0.0.0
  sgool study report sgool-output/evaluate-toybox/study/default
  sgool study export sgool-output/evaluate-toybox/study/default > votes.jsonl`;

export function configure(command: Command, host: Host): void {
  command.addHelpText('after', NOTES);
  for (const configureOne of [configureCreate, configureServe, configureReport, configureExport])
    configureOne(command, host);
}
