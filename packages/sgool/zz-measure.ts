import { readFileSync } from 'node:fs';
import { readImage } from './src/image/read-image.ts';
const t=performance.now();
const vm=()=>Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status','utf8'))![1]);
let r: string;
const b=vm();
try { const i = await readImage(process.argv[2]); r=`${i.width}x${i.height}`; } catch (e) { r=String((e as Error).message).slice(0,150); }
console.log(process.argv[2].padEnd(26), `${((performance.now()-t)/1000).toFixed(1)} s`, `${(b/1000).toFixed(0)} -> ${(vm()/1000).toFixed(0)} MB`, r);
