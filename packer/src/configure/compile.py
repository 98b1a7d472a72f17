# Compiles Python sources to byte code (PEP 552, unchecked: the tree says what belongs to what).
# In: for each source its name as tracebacks show it, and its bytes. Out: its byte code; nothing where it
# cannot be compiled. Before each is its length, as eight bytes, the lowest first.
import sys
import warnings
from importlib._bootstrap_external import _code_to_hash_pyc
from importlib.util import source_hash

warnings.simplefilter("ignore")
put, get = sys.stdout.buffer, sys.stdin.buffer


def read():
    length = get.read(8)
    return get.read(int.from_bytes(length, "little")) if length else None


while (name := read()) is not None:
    source = read()
    try:
        code = compile(source, name.decode(), "exec", dont_inherit=True, optimize=0)
        code = _code_to_hash_pyc(code, source_hash(source), False)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        code = b""
    put.write(len(code).to_bytes(8, "little"))
    put.write(code)
