# Compiles Python sources to byte code that counts for a source of the time that files of a tree have, and
# of the same length (PEP 552): a source that is changed later is compiled again.
# In: that time; for each source its name as tracebacks show it, and its bytes. Out: its byte code; nothing
# where it cannot be compiled. Before each is its length, as eight bytes, the lowest first.
import sys

# No module of the working directory's.
sys.path[:] = [path for path in sys.path if path]

import warnings
from importlib._bootstrap_external import _code_to_timestamp_pyc

warnings.simplefilter("ignore")
put, get = sys.stdout.buffer, sys.stdin.buffer


def read():
    length = get.read(8)
    return get.read(int.from_bytes(length, "little")) if length else None


mtime = int.from_bytes(read(), "little")
while (name := read()) is not None:
    source = read()
    try:
        code = compile(source, name.decode(), "exec", dont_inherit=True, optimize=0)
        code = _code_to_timestamp_pyc(code, mtime, len(source))
    except Exception:
        code = b""
    put.write(len(code).to_bytes(8, "little"))
    put.write(code)
