"""The server of the tests: `python serve.py DIR PORT`."""

import sys

from tasuki.server.serve import serve
from tasuki.settings import load

if __name__ == "__main__":
    serve(load(dir=sys.argv[1]), port=int(sys.argv[2]))
