"""Hypercorn's connections, held so that no client can end the process, pin a task or fill the memory; `guard` begins."""
