"""Where we listen, with which certificates, and who may come how often: all that is decided before a byte is read."""
