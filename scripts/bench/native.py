"""Serves a model with llama.cpp (the wheel xllamacpp) until its standard input ends: native.py MODEL THREADS CONTEXT_TOKENS [API_KEY]

Prints one line of JSON when the model is loaded: {"address", "load_ms", "version", "system_info"}.
"""

import importlib.metadata
import json
import socket
import sys
import time

import xllamacpp


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    model, threads, context_tokens = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.port = free_port()
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.verbosity = 0
    params.api_keys = sys.argv[4:]
    start = time.perf_counter()
    server = xllamacpp.Server(params)
    facts = {
        "address": server.listening_address,
        "load_ms": (time.perf_counter() - start) * 1000,
        "version": "xllamacpp " + importlib.metadata.version("xllamacpp"),
        "system_info": xllamacpp.get_system_info(),
    }
    print(json.dumps(facts), flush=True)
    sys.stdin.read()


main()
