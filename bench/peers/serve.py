"""One workload in PyTorch, in a process that stays alive: it reads a line of JSON for each run and prints one with its seconds.

python serve.py '<workload as JSON>'; bench/runs/bench-process.ts is the other end, bench/runs/workload.ts has the fields.
"""
import json
import os
import sys
import time

import numpy
import torch

from workloads import WORKLOADS, Spec, allow_tf32

# Libraries may print to stdout, so answers get a descriptor of their own.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def answer(message):
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def main():
    fields = json.loads(sys.argv[1])
    torch.set_num_threads(fields["threads"])
    allow_tf32(fields["precision"])
    given = {
        name: torch.from_numpy(numpy.fromfile(path, "<f4").reshape(fields["latentShape"])) for name, path in fields["inputs"].items()
    }
    run = WORKLOADS[fields["workload"]](Spec(fields, given))
    answer({"ready": True})
    for line in sys.stdin:
        started, processor = time.perf_counter(), time.process_time()
        results = run()
        if fields["device"] == "cuda":
            torch.cuda.synchronize()
        times = {"seconds": time.perf_counter() - started, "processorSeconds": time.process_time() - processor}
        paths = {}
        for name, tensor in results.items():
            paths[name] = f"{json.loads(line)['out']}-{name}.f32"
            tensor.detach().to("cpu", torch.float32).numpy().astype("<f4").tofile(paths[name])
        answer(times | {"results": paths})


main()
