"""The ways out of a stream: straight to its socket where there is a path, else over ASGI."""
