"""The application: a page made by Gradio, and `POST /predict` for programs, of the same model."""

import os
from typing import Any

from ajuste_fino.data.content import BadImage
from ajuste_fino.errors import UserError
from ajuste_fino.escape import printable
from ajuste_fino.predict import Prediction
from ajuste_fino.serve.examiner import Examiner

MISSING = "pip install 'ajuste-fino[serve]'"
OLDEST = (6, 7)  # of Gradio
LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
# nothing is fetched from elsewhere, and no other page may show this one in a frame
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; connect-src 'self' data: blob:; frame-ancestors 'self'"
)


def require_gradio() -> None:
    """Refuse to go on without the library that makes the page, or with one that is too old: earlier ones had known holes.

    Raises:
        UserError: with the extra to install.
    """
    try:
        import gradio
    except ImportError as error:
        raise UserError("serve", "needs the package gradio, which is not installed", fix=f"Run {MISSING}.") from error
    if tuple(map(int, gradio.__version__.split(".")[:2])) < OLDEST:
        rule = f"needs gradio {'.'.join(map(str, OLDEST))} or newer"
        raise UserError("serve", rule, got=gradio.__version__, fix=f"Run {MISSING}.")


def application(examiner: Examiner, host: str, limit: int) -> Any:
    """The ASGI application.

    Args:
        host: it answers to; on loopback only requests that name it are answered, so that no page of elsewhere reaches it.
        limit: bytes of an upload.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # as it is imported
    import gradio
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from ajuste_fino.serve.page import THEME, page

    app = FastAPI(title="ajuste_fino", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK) if host in LOOPBACK else ["*"])
    app.middleware("http")(_with_policy)
    _add_endpoint(app, examiner, limit)
    arguments = {"path": "/", "max_file_size": limit, "footer_links": [], "theme": THEME(), "ssr_mode": False}
    return gradio.mount_gradio_app(app, page(examiner), **arguments)


async def _with_policy(request: Any, call_next: Any) -> Any:
    response = await call_next(request)
    response.headers.setdefault("Content-Security-Policy", POLICY)
    return response


def _add_endpoint(app: Any, examiner: Examiner, limit: int) -> None:
    from fastapi import Request
    from fastapi.responses import JSONResponse
    from starlette.concurrency import run_in_threadpool

    @app.post("/predict")
    async def predict(request: Request) -> JSONResponse:
        """The bytes of an image file → its label, probability and the most probable labels."""
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > limit:
                return JSONResponse({"error": f"An image may have {limit:,} bytes at most."}, 413)
        try:
            return JSONResponse(plain(await run_in_threadpool(examiner.predict, bytes(content))))
        except (BadImage, UserError) as error:
            return JSONResponse({"error": printable(str(error))}, 400)


def plain(one: Prediction) -> dict[str, Any]:
    """A prediction as JSON has it."""
    top = [{"label": label, "probability": probability} for label, probability in one.top]
    told = {} if one.distance is None else {"unknown": one.unknown, "distance": one.distance}
    return {"label": one.label, "probability": one.probability, "top": top, **told}
