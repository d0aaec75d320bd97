/** @file Lets the threads of a program run TypeScript as well: `--import tsx` does so for its main thread only. */
import { register } from 'tsx/esm/api';

register();
