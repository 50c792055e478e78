"""A feed's settings as the files that they name say now: a secret that is replaced is used from the next connection on.

Looked at whenever something connects; nothing runs beside. A file that is gone, empty or half written changes nothing: what
was read before stays in force, and the log says so once.
"""

from pathlib import Path

import msgspec
import structlog

from bridge.upstream.settings import FeedSettings, FileText

Stamp = tuple[int, int, int] | None
"""By which a file is known to be another one, or to have been written to; None = there is none."""

MAX_TEXT_BYTES = 64 * 1024
"""A value of a setting that is longer is none."""

_log = structlog.get_logger(__name__)


def stamp_of(path: Path) -> Stamp:
    """Return a file's stamp."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


class InForce:
    """One feed's settings.

    Args:
        settings: as they were read; values of `FileText` are read again.
    """

    def __init__(self, settings: FeedSettings) -> None:
        self._settings = settings
        texts = {name: getattr(settings, name) for name in settings.__struct_fields__}
        self._texts = {name: Path(text.path) for name, text in texts.items() if isinstance(text, FileText)}
        named = (settings.ca_file, settings.client_certificate)
        self._files = (*self._texts.values(), *(Path(name) for name in named if name is not None))
        self._seen = self._stamps()

    def changed(self) -> bool:
        """Read again what has changed; return whether anything has, be it only what a file holds that is named by its path."""
        if not self._files:
            return False
        seen = self._stamps()
        if seen == self._seen:
            return False
        self._seen = seen
        read = {name: text for name, path in self._texts.items() if (text := _read(name, path)) is not None}
        self._settings = msgspec.structs.replace(self._settings, **read)
        return True

    def now(self) -> FeedSettings:
        """Return the settings in force."""
        self.changed()
        return self._settings

    def _stamps(self) -> tuple[Stamp, ...]:
        return tuple(stamp_of(path) for path in self._files)


def _read(name: str, path: Path) -> FileText | None:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_TEXT_BYTES + 1).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        _log.warning(
            "a setting's file cannot be read, the old value stays", setting=name, file=str(path), why=str(error)
        )
        return None
    if not text or len(text) > MAX_TEXT_BYTES:
        _log.warning("a setting's file holds no value, the old one stays", setting=name, file=str(path))
        return None
    return FileText(text, str(path))
