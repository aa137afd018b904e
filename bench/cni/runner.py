"""Runs programs one after another and measures each, for bench/cni.

A process of its own, because Node needs milliseconds to start another one, which would be most of what is measured here.
One JSON object a line: {"argv", "env", "input"} in, {"status", "stdout", "wall", "cpu"} out (milliseconds; CPU of the
program and of everything it has waited for).
"""
import json
import os
import sys
import time

for line in sys.stdin:
    request = json.loads(line)
    argv = request["argv"]
    stdin_read, stdin_write = os.pipe2(os.O_CLOEXEC)
    stdout_read, stdout_write = os.pipe2(os.O_CLOEXEC)
    os.write(stdin_write, request["input"].encode())
    os.close(stdin_write)
    began = time.perf_counter()
    pid = os.posix_spawn(
        argv[0],
        argv,
        request["env"],
        file_actions=[(os.POSIX_SPAWN_DUP2, stdin_read, 0), (os.POSIX_SPAWN_DUP2, stdout_write, 1)],
    )
    os.close(stdin_read)
    os.close(stdout_write)
    output = b""
    while chunk := os.read(stdout_read, 65536):
        output += chunk
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    os.close(stdout_read)
    reply = {
        "status": os.waitstatus_to_exitcode(status),
        "stdout": output.decode(),
        "wall": wall * 1000,
        "cpu": (usage.ru_utime + usage.ru_stime) * 1000,
    }
    print(json.dumps(reply), flush=True)
