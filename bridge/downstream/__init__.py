"""The downstream wing: who gets in, and how bytes leave. It reads the hub and is handed `ask`; it knows no upstream."""
