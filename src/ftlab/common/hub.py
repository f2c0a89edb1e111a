"""The Hugging Face Hub: is it there, and what happens when it is not.

Without a network every call to the Hub costs the libraries about 50 seconds of retries. One short
probe beforehand tells, and switches them to their local cache.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
import urllib.request
from urllib.parse import urlsplit

PROBE_SECONDS = 2.0
HUB_NAME = re.compile(r"(?![.-])[\w.-]+(?<![.-])(/(?![.-])[\w.-]+(?<![.-]))?")

_went_offline = False  # by our own probe, so that a later call may come back


def is_hub_name(name: str) -> bool:
    """Whether `name` is written like a Hub name: 'name' or 'organisation/name'."""
    return HUB_NAME.fullmatch(name) is not None


def go_offline_if_unreachable() -> str:
    """Switch the Hub libraries to their local cache when the Hub cannot be reached.

    Returns why the process is offline, as the end of a sentence, or "" when the Hub answers. A
    reader's own HF_HUB_OFFLINE=1 is obeyed without a probe. Call it before anything that may turn
    to the Hub; it costs at most about `PROBE_SECONDS`, and notices when the network is back.
    """
    global _went_offline
    from huggingface_hub import constants

    if constants.is_offline_mode() and not _went_offline:
        return "HF_HUB_OFFLINE is set"
    host, port = _address(constants.ENDPOINT)
    _went_offline = not _answers(host, port)
    _set_offline(_went_offline)
    return f"{urlsplit(constants.ENDPOINT).hostname} cannot be reached" if _went_offline else ""


def _address(endpoint: str) -> tuple[str, int]:
    """Host and port to try: those of the Hub, or of the proxy that stands before it."""
    url = urlsplit(endpoint)
    host = url.hostname or "huggingface.co"
    proxy = urllib.request.getproxies().get(url.scheme)
    if proxy and not urllib.request.proxy_bypass(host):
        url = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host = url.hostname or host
    return host, url.port or (443 if url.scheme == "https" else 80)


def _answers(host: str, port: int) -> bool:
    """Whether a connection can be opened within `PROBE_SECONDS`.

    Asked in a thread: looking the name up has no time limit of its own.
    """
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
        except OSError:
            return
        answered.set()

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answered.is_set()


def _set_offline(offline: bool) -> None:
    """Tell the libraries at run time what they otherwise read from HF_HUB_OFFLINE at import.

    transformers asks huggingface_hub at every call; datasets keeps a copy of its own.
    """
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = offline
    if "datasets.config" in sys.modules:
        config = sys.modules["datasets.config"]
        config.HF_HUB_OFFLINE = config.HF_DATASETS_OFFLINE = offline  # type: ignore[attr-defined]
