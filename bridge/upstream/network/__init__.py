"""Bytes to and from a vendor: connections, proxies, HTTP, event streams and WebSockets, with errors in an operator's words."""
