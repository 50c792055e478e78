"""Measures a bridge as its clients feel it: a vendor, a bridge and a load, each a process of its own, on this machine.

`rig` starts the three, `workloads` says what they do, `results` what came of it. Vendor and load are told what to do by lines
of JSON on their standard input and answer likewise (`talk`), so that neither shares an interpreter with what is measured.
Times are the machine's monotonic clock: the vendor writes it into each trade's id, and the load reads it there.
"""
