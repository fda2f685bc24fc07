"""The requests that the page makes. All of them have passed `guard.Guard`."""

import io
import json
import re
import zipfile
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from beatssl.analysis.page.page import asset, panels
from beatssl.analysis.parts import wfdb_name
from beatssl.analysis.result import USE, Analysis
from beatssl.records.formats.options import FileOptions
from beatssl.viewer.corrections import Corrections
from beatssl.viewer.edits import Edits, edited, ends_of, ticks
from beatssl.viewer.folder import Folder
from beatssl.viewer.pyramid import ranges_mv
from beatssl.viewer.refusal import Refused
from beatssl.viewer.shelf import Shelf
from beatssl.viewer.uploads import save_upload, title_of
from beatssl.viewer.worker import Job, remove

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
OWN = ("viewer.html", "viewer.css", "api.js", "tiles.js", "marks.js", "labels.js", "pane.js", "viewer.js")
OF_PAGE = ("ecg.js", "caliper.js", "page.css")
"""Taken from `analysis.page`: the drawing and the style are the same."""
DOWNLOADS = {"json": "application/json", "csv": "text/csv", "annotations": "application/zip", "html": "text/html",
             "pdf": "application/pdf"}  # fmt: skip


class Api:
    """What the requests work on."""

    def __init__(
        self, shelf: Shelf, folder: Folder, corrections: Corrections, options: FileOptions, scratch: Path
    ) -> None:
        self.shelf, self.folder, self.corrections, self.options, self.scratch = (
            shelf, folder, corrections, options, scratch,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------ opening

    async def upload(self, request: Request) -> dict[str, str]:
        """Take a file as the request's body, its name percent-encoded in a header."""
        title = title_of(request.headers.get("x-file-name", ""))
        path, folder = await save_upload(request.stream(), title, self.scratch)
        return self._added(title, Job(path, None, folder, self.options))

    def listing(self) -> dict[str, Any]:
        """The files of the folder."""
        return {"folder": self.folder.path is not None, "files": self.folder.listing()}

    def choose(self, file_id: str) -> dict[str, str]:
        """Open a file of the folder."""
        source = self.folder.source(file_id)
        assert self.folder.path is not None
        own = Path(mkdtemp(dir=self.scratch))
        return self._added(source.id, Job(self.folder.path, source, own, self.options))

    def _added(self, title: str, job: Job) -> dict[str, str]:
        try:
            return {"id": self.shelf.add(title, job).id}
        except Refused:
            remove(job.scratch)
            raise

    # ------------------------------------------------------------------------------------------------ showing

    def state(self, record_id: str) -> dict[str, Any]:
        """Whether a record is ready, and what the page needs to draw it."""
        entry = self.shelf.get(record_id)
        if entry.state in ("waiting", "working"):
            return {"state": entry.state, "title": entry.title}
        if (refused := entry.refused) is not None:
            return {"state": "refused", "title": entry.title, "reason": refused.reason, "message": refused.message}
        entry, opened, a = self.shelf.ready(record_id)
        return {
            "state": "ready", "title": entry.title, "use": a.use, "signal": opened.pyramid.about(),
            "durationS": a.record.duration_s, "rangeMv": ranges_mv(opened.pyramid), "revision": entry.revision,
            "labels": dict(entry.labels), "beats": _beats(a), "downloads": _downloads(),
            "statements": [
                {"name": one.name, "text": one.text, "probability": round(one.probability, 3), "above": one.above}
                for one in a.diagnoses.statements
            ],
        }  # fmt: skip

    def tile(self, record_id: str, level: int, number: int) -> Response:
        """A tile of the signal, of all leads."""
        _, opened, _ = self.shelf.ready(record_id)
        try:
            content = opened.pyramid.tile(level, number)
        except IndexError as error:
            raise Refused(404, "no-tile", str(error)) from None
        return Response(content, media_type="application/octet-stream")

    def waves(self, record_id: str, lead: int) -> Response:
        """Waves of a lead (a number among the signal's) as float64: kind, onset and offset in ticks."""
        _, opened, a = self.shelf.ready(record_id)
        if not 0 <= lead < len(opened.pyramid.leads):
            raise Refused(404, "no-lead", f"the record has no lead number {lead}")
        name, found = opened.pyramid.leads[lead], a.waves
        own = found.lead == (found.leads.index(name) if name in found.leads else -1)
        columns = np.stack([found.wave, *ends_of(found)], axis=1)[own]
        return Response(columns.astype("<f8").tobytes(), media_type="application/octet-stream")

    def panels(self, record_id: str) -> dict[str, str]:
        """The page's summary and tables as HTML without script."""
        _, _, a = self.shelf.ready(record_id)
        return {"summary": panels(a, "summary"), "panels": panels(a, "panels")}

    # ------------------------------------------------------------------------------------------------ correcting

    def correct(self, record_id: str, edits: Edits) -> dict[str, Any]:
        """Apply corrections and save them."""
        entry, opened, _ = self.shelf.ready(record_id)
        with entry.lock:
            if edits.revision != entry.revision:
                raise Refused(409, "revision", "another window saved this record since; open it again")
            assert entry.analysis is not None
            a = edited(entry.analysis, edits)
            name = self.corrections.save(a, opened.sha256, edits.labels)
            entry.analysis, entry.labels, entry.revision = a, dict(edits.labels), entry.revision + 1
            return {"revision": entry.revision, "saved": name, "folder": self.corrections.folder.name}

    def download(self, record_id: str, kind: str) -> Response:
        """The analysis as corrected: JSON, beats as CSV, a zip of record and annotations, the page, a PDF."""
        entry, _, a = self.shelf.ready(record_id)
        if kind not in _downloads():
            raise Refused(404, "no-download", f"there is no download of this kind; there are {', '.join(_downloads())}")
        ending = "zip" if kind == "annotations" else kind
        name = re.sub(r"[^A-Za-z0-9_-]", "_", Path(entry.title).stem)[:60] or "ecg"
        headers = {"content-disposition": f'attachment; filename="{name}.{ending}"'}
        return Response(self._content(a, kind), media_type=DOWNLOADS[kind], headers=headers)

    def _content(self, a: Analysis, kind: str) -> bytes:
        if kind == "json":
            return json.dumps(a.to_dict(), ensure_ascii=False, allow_nan=False).encode()
        if kind == "csv":
            return a.to_frame().to_csv(index=False, float_format="%.4f").encode()
        with TemporaryDirectory(dir=self.scratch) as own:
            if kind == "annotations":
                return _annotations(a, Path(own))
            path = Path(own, f"page.{kind}")
            getattr(a, f"to_{kind}")(path)
            return path.read_bytes()


def make_app(api: Api) -> FastAPI:
    """The routes. What goes wrong is answered as JSON {reason, message}, never with a traceback or a path."""
    app = FastAPI(redirect_slashes=False, docs_url=None, redoc_url=None, openapi_url=None)

    def refuse(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)
        close = {"connection": "close"} if error.status in (408, 413) else None
        return JSONResponse({"reason": error.reason, "message": error.message}, error.status, close)

    def invalid(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"reason": "request", "message": "the request is not what the page sends"}, 422)

    def http(_: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 400
        return JSONResponse({"reason": "request", "message": "there is nothing at this address"}, status)

    def internal(_: Request, error: Exception) -> JSONResponse:
        message = f"the viewer failed ({type(error).__name__}); its terminal says where"
        return JSONResponse({"reason": "internal", "message": message}, 500)

    for kind, answer in (
        (Refused, refuse),
        (RequestValidationError, invalid),
        (HTTPException, http),
        (Exception, internal),
    ):
        app.add_exception_handler(kind, answer)
    app.get("/")(lambda: _asset("viewer.html"))
    app.get("/static/{name}")(_asset)
    app.post("/api/records", status_code=202)(api.upload)
    app.get("/api/folder")(api.listing)
    app.post("/api/folder/{file_id}", status_code=202)(api.choose)
    app.get("/api/records/{record_id}")(api.state)
    app.get("/api/records/{record_id}/tiles/{level}/{number}")(api.tile)
    app.get("/api/records/{record_id}/waves/{lead}")(api.waves)
    app.get("/api/records/{record_id}/panels")(api.panels)
    app.post("/api/records/{record_id}/corrections")(api.correct)
    app.get("/api/records/{record_id}/downloads/{kind}")(api.download)
    return app


def _asset(name: str) -> Response:
    if name not in OWN + OF_PAGE:
        raise Refused(404, "request", "there is nothing at this address")
    text = (
        asset(name) if name in OF_PAGE else files("beatssl.viewer").joinpath("page", name).read_text(encoding="utf-8")
    )
    return Response(text.replace("{{ use }}", USE), media_type=KINDS[Path(name).suffix])


def _beats(a: Analysis) -> dict[str, Any]:
    return {"ticks": ticks(a.beats.time_s).tolist(), "labels": "".join(label or "-" for label in a.beats.labels)}


def _downloads() -> list[str]:
    return [kind for kind in DOWNLOADS if kind not in ("html", "pdf") or hasattr(Analysis, f"to_{kind}")]


def _annotations(a: Analysis, folder: Path) -> bytes:
    assert a.signal is not None
    name = wfdb_name(Path(a.record.id).stem)
    try:
        a.signal.save(folder / f"{name}.hea")
        a.save_annotations(folder / name)
    except ValueError as error:
        raise Refused(422, "annotations", f"this record cannot be written as WFDB: {error}") from None
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return out.getvalue()
