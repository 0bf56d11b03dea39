"""Programs in Go, compiled when a case needs them: nothing compiled is shipped."""
import os

from benchlib import load, server

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
BUILD_SECONDS = 120  # a compiler that has never run compiles its library first


def build(s, compiler, name):
    """The program programs/NAME.go, compiled into the folder; Unavailable with what the compiler says."""
    out = os.path.join(s.folder, name + "-go")
    if os.path.exists(out):
        return out
    surroundings = {**os.environ, "GOCACHE": os.path.join(s.folder, "go-cache"), "GO111MODULE": "off",
                    "GOFLAGS": "", "CGO_ENABLED": "0"}
    command = [compiler, "build", "-o", out, os.path.join(PROGRAMS, name + ".go")]
    status, said = load.run(command, BUILD_SECONDS, env=surroundings)
    if status != 0:
        raise server.Unavailable(said.strip()[-300:])
    return out
