"""A server's WebSocket text frames (RFC 6455 §5.2): unmasked and never fragmented, so one spelling serves every client."""

_FIN_TEXT = 0x81
_TWO_BYTES = 126
_EIGHT_BYTES = 127


def text_frame(text: bytes) -> bytes:
    """Spell a message.

    Args:
        text: UTF-8.
    """
    size = len(text)
    if size < _TWO_BYTES:
        return bytes((_FIN_TEXT, size)) + text
    if size < 1 << 16:
        return bytes((_FIN_TEXT, _TWO_BYTES)) + size.to_bytes(2, "big") + text
    return bytes((_FIN_TEXT, _EIGHT_BYTES)) + size.to_bytes(8, "big") + text


def texts_of(frames: bytes) -> list[bytes]:
    """Take whole frames made by `text_frame` apart again."""
    texts, at = [], 0
    while at < len(frames):
        size, at = frames[at + 1], at + 2
        if size >= _TWO_BYTES:
            wide = 2 if size == _TWO_BYTES else 8
            size, at = int.from_bytes(frames[at : at + wide], "big"), at + wide
        texts.append(frames[at : at + size])
        at += size
    return texts
