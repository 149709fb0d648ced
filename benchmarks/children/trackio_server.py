"""trackio's server as its `show` starts it, on a given port and without a browser; run in trackio's environment."""

import sys

import uvicorn
from trackio.server import build_starlette_app_only

if __name__ == "__main__":
    app, _ = build_starlette_app_only()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
