"""The verb `serve`: the viewer on this machine."""

import secrets
import socket
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beatssl.analysis.result import USE
from beatssl.files import make_folder
from beatssl.viewer.config import ServeConfig
from beatssl.viewer.corrections import Corrections
from beatssl.viewer.folder import Folder
from beatssl.viewer.guard import Guard
from beatssl.viewer.shelf import Shelf
from beatssl.viewer.worker import Job, Models, Opened, Worker

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Served:
    """A viewer that answers, until its block ends."""

    address: str
    """With the token."""
    token: str
    port: int
    app: Any
    socket: socket.socket
    scratch: Path


def serve(config: ServeConfig) -> str:
    """Serve the viewer until it is stopped by Ctrl-C; its address, with a token, is printed.

    Raises ImportError where FastAPI or uvicorn is missing, FileNotFoundError for a folder that is not there, OSError
    where the port is taken, CheckpointError where there is no such model.
    """
    with served(config) as viewer:
        import uvicorn

        print(f"The viewer answers at\n  {viewer.address}")
        print(f"Corrections go to {config.corrections}. Stop it with Ctrl-C. {USE}", flush=True)
        server = uvicorn.Server(settings(viewer))
        server.run(sockets=[viewer.socket])
    return f"the viewer was stopped; corrections are in {config.corrections}"


def settings(viewer: Served) -> Any:
    """How uvicorn runs it: no log of requests, whose addresses are nobody's business."""
    import uvicorn

    return uvicorn.Config(
        viewer.app, log_level="warning", access_log=False, server_header=False, date_header=False, proxy_headers=False,
        timeout_graceful_shutdown=2, ws="none", limit_concurrency=400,
    )  # fmt: skip


@contextmanager
def served(config: ServeConfig, run: Callable[[Job], Opened] | None = None) -> Generator[Served]:
    """The application and a bound socket; at its end the worker is stopped and all temporary files are removed.

    `run` stands in for the process that analyses.
    """
    try:
        import uvicorn  # noqa: F401

        from beatssl.viewer.api import Api, make_app
    except ImportError as error:
        raise ImportError(f"the viewer needs {error.name}; install it with: pip install 'beatssl[serve]'") from None
    folder = Folder(config.folder, config.files)
    make_folder(config.corrections)
    corrections = Corrections(config.corrections.resolve())
    models = Models(
        config.segmenter, config.classifier, config.device, config.max_mb * 2**20, config.max_samples,
        config.time_limit_s,
    )  # fmt: skip
    worker = Worker(models)
    with _socket(config.port) as listening, tempfile.TemporaryDirectory(prefix="beatssl-") as scratch:
        shelf = Shelf(run or worker.run, lambda opened: corrections.load(opened.analysis, opened.sha256), config.kept)
        port = listening.getsockname()[1]
        token = secrets.token_urlsafe(24)
        app = make_app(Api(shelf, folder, corrections, config.files, Path(scratch)))
        hosts = (f"{HOST}:{port}", f"localhost:{port}")
        guarded = Guard(app, token, hosts, models.max_bytes)
        try:
            if run is None:
                worker.start()
            yield Served(f"http://{HOST}:{port}/#token={token}", token, port, guarded, listening, Path(scratch))
        finally:
            shelf.close()
            worker.close()
            shelf.join()


def _socket(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise OSError(f"port {port} is taken ({error.strerror}); pass another as port=, or 0 for any") from None
    return listening
