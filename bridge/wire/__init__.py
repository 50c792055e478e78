"""Grammars that both wings speak: bytes in, messages out, and back; no I/O."""
