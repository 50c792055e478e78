"""Tapes: market data to play back, recorded or believably made up. Data, not a wing: `upstream.tape` plays it.

`format` has the rows of a file and what a `Tape` is, `reader` turns files and folders into tapes, `generator` makes one up.
"""

from bridge.tape.format import Tape, TapeEvent
from bridge.tape.generator import generate
from bridge.tape.reader import read_tape

__all__ = ["Tape", "TapeEvent", "generate", "read_tape"]
