# SPDX-License-Identifier: MIT
"""The loops that people write instead: as in a tutorial, tuned, and with a process for each entry."""
import json
import os
import shutil
import subprocess

from draining import Load, measure_client

# One of these is on Debian's path whatever the user's PATH says, and has the distribution's redis-py.
SYSTEM_PYTHON = "/usr/bin/python3"
# Where Debian and npm put packages; a node that is not Debian's knows neither.
NODE_ENV = {**os.environ, "NODE_PATH": ":".join(filter(None, [
    os.environ.get("NODE_PATH"), "/usr/share/nodejs", "/usr/local/lib/node_modules", "/usr/lib/node_modules"]))}


def spawn(bench):
    """Not one that reads a stream: processes, and nothing around them."""
    entries = bench.amount(5_000)
    done = subprocess.run([bench.program("spawn"), str(entries), "8", "/bin/true"],
                          check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    times = json.loads(done.stdout)
    return {"rate": entries * 1e9 / times["wall_ns"],
            "client_us": times["cpu_ns"] / 1000 / entries, "server_us": 0.0,
            "handler_us": times["children_cpu_ns"] / 1000 / entries}


def client(entries, *argv, **popen):
    """argv is of a program: SOCKET stands for the server's, a name with a dot for a script of ours."""
    def measure(bench):
        words = [bench.server.path if word == "SOCKET" else bench.script(word) if "." in word else word
                 for word in argv]
        return measure_client(bench, words, Load(bench.amount(entries)), **popen)
    return measure


def python(script, entries):
    return client(entries, SYSTEM_PYTHON, script, "SOCKET")


def php(entries):
    return client(entries, "php", "tuned.php", "SOCKET")


def go(entries):
    def measure(bench):
        return measure_client(bench, [bench.program("tuned-go"), bench.server.path], Load(bench.amount(entries)))
    return measure


def node(script, entries, library="redis"):
    return client(entries, "node", script, "SOCKET", library, env=NODE_ENV)


def succeeds(*argv, **popen):
    try:
        return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **popen).returncode == 0
    except OSError:
        return False


def without_redis_py(_bench):
    return None if succeeds(SYSTEM_PYTHON, "-c", "import redis") else "redis-py is not installed"


def without_phpredis(_bench):
    return None if succeeds("php", "-r", "exit(class_exists('Redis') ? 0 : 1);") else "phpredis is not installed"


def without_redigo(bench):
    if os.path.exists(bench.program("tuned-go")):
        return None
    return "redigo is not installed" if shutil.which("go") else "Go is not installed"


def without_node(library):
    def reason(_bench):
        found = succeeds("node", "-e", f"require.resolve('{library}')", env=NODE_ENV)
        return None if found else f"node with the package {library} is not installed"
    return reason
